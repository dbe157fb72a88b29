package docker

import (
	"errors"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// A repository over SSH is read with the user's own agent where there is one, unless the file names others.
func TestBuildUsesTheAgent(t *testing.T) {
	agent := []buildkit.SSH{{ID: "default"}}
	for _, c := range []struct {
		name, socket, context string
		ssh                   types.SSHConfig
		want                  []buildkit.SSH
	}{
		{"scp", "/agent", "git@example.com:team/app.git#main:web", nil, agent},
		{"address", "/agent", "ssh://git@example.com/team/app.git", nil, agent},
		{"own", "/agent", "git@example.com:team/app.git", types.SSHConfig{{ID: "key=/key"}}, []buildkit.SSH{{ID: "key", Path: "/key"}}},
		{"no agent", "", "git@example.com:team/app.git", nil, nil},
		{"https", "/agent", "https://example.com/team/app.git", nil, nil},
		{"folder", "/agent", "/src/web", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", c.socket)
			b := builder{action: planner.BuildImage{Spec: project.Service{WorkloadSpec: types.WorkloadSpec{Build: &types.BuildConfig{Context: c.context, SSH: c.ssh}}}}}
			if diff := cmp.Diff(c.want, b.ssh()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What BuildKit says of a repository that it cannot have, in its own words.
func TestErrorsOfGitContexts(t *testing.T) {
	const fetch = "failed to read dockerfile: failed to load cache key: failed to fetch remote https://example.com/team/app.git: git stderr:\n"
	for text, hint := range map[string]string{
		"failed to load cache key: no SSH key \"default\" forwarded from the client": "start an SSH agent that has the key (`ssh-agent`, `ssh-add`), " +
			"and let the build use it: services.web.build.ssh: [default]",
		fetch + "fatal: unable to access 'https://example.com/team/app.git/': Could not resolve host: example.com\n: exit status 128": "the host of the git repository " +
			"does not answer: correct services.web.build.context, or look at the engine's network and proxy",
		fetch + "fatal: unable to access 'https://example.com/team/app.git/': Failed to connect to example.com port 443 after 1 ms: Couldn't connect to server\n": "the host of the git " +
			"repository does not answer: correct services.web.build.context, or look at the engine's network and proxy",
		fetch + "remote: Repository not found.\nfatal: repository 'https://example.com/team/app.git/' not found\n": "the git repository, its branch or its folder cannot be had: " +
			"correct services.web.build.context",
		"failed to read dockerfile: failed to load cache key: unknown scheme git: not found": "the engine reads git repositories with git: " +
			"install it where the engine runs, or use a folder",
		"failed to load cache key: failed to fetch remote x: git stderr:\n: exec: \"git\": executable file not found in $PATH": "the engine reads git repositories with git: " +
			"install it where the engine runs, or use a folder",
	} {
		err := fakeEngine(t, nil).explainBuild(t.Context(), errors.New(text), planner.BuildImage{Ref: "shop-web", Service: "web"}, daemon{})
		told(t, err, "image shop-web of web could not be built: *", hint)
	}
}
