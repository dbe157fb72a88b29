package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/versions"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// What docker compose made of a file is found to be what the file says, by looking at it alone: key by key, as if its hash were
// of no use.
func TestComposeContainersAreWhatTheFileSays(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to adopt from")
	}
	for _, f := range readKeyFiles(t) {
		t.Run(f.name, func(t *testing.T) {
			if why := peerCannot()[f.name]; why != "" {
				t.Skip(why)
			}
			r := newRig(t)
			if f.needs != "" && versions.LessThan(r.apiVersion(), f.needs) {
				t.Skip("needs API " + f.needs)
			}
			dir := t.TempDir()
			for _, file := range f.archive.Files {
				if key, made := strings.CutPrefix(file.Name, "made volume "); made {
					r.do(r.volume(key))
				} else if !strings.Contains(file.Name, " ") {
					writeFile(t, filepath.Join(dir, file.Name), file.Data)
				}
			}
			r.peer(peer, dir, "create")
			for _, c := range r.changed(dir) {
				if path, _, _ := strings.Cut(c, ": "); !slices.Contains(otherwise(), path) {
					t.Errorf("taken to have changed: %s", c)
				}
			}
		})
	}
}

// otherwise are fields in which docker compose makes something else than the file says, see differences.
func otherwise() []string {
	return []string{
		"services.other.stop_grace_period", "services.web.volumes./labelled.bind.selinux",
		"services.web.environment.DOCKER_CONFIG", "services.web.volumes./var/run/docker.sock", "networks.front.ipam.options.mine",
	}
}

// peer runs docker compose.
func (r *rig) peer(peer, dir string, args ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.ctx, peer, append([]string{"-p", r.project}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+os.Getenv("MUSTER_TEST_ENGINE"), "IMAGE="+busybox(), "FROM_OUTSIDE=yes", "PROJECT="+r.project, "OCTET="+r.octet(), "DOCKER_CONFIG="+r.t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("docker compose cannot: %v: %s", err, out)
	}
}

// changed are the fields in which the containers differ from the file of a folder, with no hash to rely on.
func (r *rig) changed(dir string) []string {
	r.t.Helper()
	want := r.load(dir)
	have, err := r.Observe(r.ctx, planner.ScopeOf(want))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range have.Containers {
		c.Labels[planner.LabelConfigHash] = "another"
	}
	for _, n := range have.Networks {
		if n.Labels[planner.LabelConfigHash] != "" {
			n.Labels[planner.LabelConfigHash] = "another"
		}
	}
	for _, v := range have.Volumes {
		if v.Labels[planner.LabelConfigHash] != "" {
			v.Labels[planner.LabelConfigHash] = "another"
		}
	}
	how := planner.Policy{NoStart: true}
	if err := runner.Inspect(r.ctx, r.Engine, &have, planner.Unsure(want, have, how)); err != nil {
		r.t.Fatal(err)
	}
	plan, err := planner.Build(want, have, how)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, i := range plan.Items {
		if i.Ref.Kind == planner.KindVolume && i.Verdict == planner.Create {
			continue
		}
		for _, c := range i.Changes {
			out = append(out, c.Path+": "+c.From+" → "+c.To)
		}
		if len(i.Changes) == 0 && i.Verdict != planner.Unchanged {
			out = append(out, i.Ref.Name+": "+i.Summary)
		}
	}
	return out
}

// After docker compose has made a container, the file changes: the plan names what has changed, and nothing else.
func TestComposeContainerHasChanged(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to adopt from")
	}
	r := newRig(t)
	dir := t.TempDir()
	const before = `
services:
  web:
    image: ${IMAGE}
    command: [sleep, "1000"]
    environment: {LEVEL: info, PASSWORD: one, OLD: "1"}
    mem_limit: 64m
    ports: ["127.0.0.1::80"]
    volumes: ["data:/data", ".:/src:ro", /scratch]
    cap_drop: [NET_RAW]
    ulimits: {nofile: 1024}
    healthcheck: {test: "true", interval: 5s}
    networks: {default: {aliases: [www]}}
volumes: {data: {}}
`
	file := filepath.Join(dir, "compose.yaml")
	writeFile(t, file, []byte(before))
	r.peer(peer, dir, "up", "-d")
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"a limit", "64m", "128m", []string{"services.web.mem_limit: 64M → 128M"}},
		{"a variable", "info", "debug", []string{"services.web.environment.LEVEL: info → debug"}},
		{"a variable less", `, OLD: "1"`, "", []string{"services.web.environment.OLD: 1 → "}},
		{"a port", "::80", "::81", []string{"services.web.ports.80: 127.0.0.1:any:80 → ", "services.web.ports.81:  → 127.0.0.1:any:81"}},
		{"a mount", ":/src:ro", ":/src", []string{"services.web.volumes./src: " + dir + " (read-only) → " + dir}},
		{"a check", "interval: 5s", "interval: 6s", []string{"services.web.healthcheck.interval: 5s → 6s"}},
		{"an alias", "[www]", "[www, shop]", []string{"services.web.networks.default.aliases:  → shop"}},
		{"a capability less", "    cap_drop: [NET_RAW]\n", "", []string{"services.web.cap_drop: NET_RAW → "}},
		{"a limit of files less", "    ulimits: {nofile: 1024}\n", "", []string{"services.web.ulimits.nofile: 1024 → "}},
	} {
		writeFile(t, file, []byte(strings.Replace(before, c.from, c.to, 1)))
		if diff := cmp.Diff(c.want, r.changed(dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
