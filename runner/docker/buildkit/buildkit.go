// Package buildkit builds an image with BuildKit: the one that a Docker engine has
// inside, over the engine's own connection, or one that stands elsewhere. No buildx is needed, and the image is on
// the engine when the build is done.
//
// It stands apart from package docker so that BuildKit's many imports stay in one place.
package buildkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/runner"
)

// Request is one build.
type Request struct {
	Tags []string
	// Context is a folder of this machine, or the address of a git repository or an archive.
	Context string
	// Dockerfile is absolute or relative to Context; empty is "Dockerfile".
	Dockerfile string
	// Inline is a Dockerfile's text; it goes before Dockerfile.
	Inline string
	// Contexts are further ones by name: folders, or what BuildKit has a scheme for.
	Contexts    map[string]string
	Args        map[string]string
	Labels      map[string]string
	Target      string
	NoCache     bool
	NoCacheOf   []string // stages
	Pull        bool
	Network     string   // host, none or empty
	Platforms   []string // none for BuildKit's own
	Hosts       []string // host=address
	ShmSize     int64    // bytes
	Ulimits     []string // name=soft:hard
	SSH         []SSH
	Secrets     map[string][]byte // by their ID
	CacheFrom   []string          // "type=…,…" or the reference of an image
	CacheTo     []string
	Entitlement []string
	// Attest are attestations by kind, with their options.
	Attest map[string]string
	// Push: BuildKit elsewhere sends the image to its registries, and the engine does not get it.
	Push bool
	// Index: the engine takes an image together with its attestations, and for several platforms.
	Index bool
	// Layouts are further contexts by name that are images in a folder, as OCI lays them out.
	Layouts map[string]Layout
}

// SSH is an agent, or keys, that the build may use.
type SSH struct{ ID, Path string }

// IsRemote says whether a context is not a folder of this machine.
func IsRemote(context string) bool {
	for _, scheme := range []string{"http://", "https://", "git://", "ssh://", "github.com/", "git@", "docker-image://"} {
		if strings.HasPrefix(context, scheme) {
			return true
		}
	}
	return false
}

// Build carries the request out, and reports every line that BuildKit has to
// say. Registry credentials come from config.
func Build(ctx context.Context, d Daemon, config *configfile.ConfigFile, r Request, report func(runner.Progress)) error {
	options, cleanup, err := solveOptions(r)
	if err != nil {
		return err
	}
	defer cleanup()
	if err := attach(&options, config, r); err != nil {
		return err
	}
	bk, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = bk.Close() }()
	statuses := make(chan *client.SolveStatus)
	group, ctx := errgroup.WithContext(ctx)
	report = inTurn(report)
	loading := d.export(ctx, &options, r, report)
	group.Go(func() error {
		_, err := bk.Solve(ctx, nil, options, statuses)
		return loading.end(explain(err, r))
	})
	group.Go(func() error { return display(statuses, report) })
	return group.Wait()
}

// solveOptions writes the request down in BuildKit's terms. cleanup removes
// what was written to the disk for it.
func solveOptions(r Request) (_ client.SolveOpt, cleanup func(), _ error) {
	cleanup = func() {}
	options := client.SolveOpt{
		// The Dockerfile frontend that is part of BuildKit: nothing has to be pulled for it.
		Frontend:            "dockerfile.v0",
		FrontendAttrs:       attributes(r),
		LocalMounts:         map[string]fsutil.FS{},
		AllowedEntitlements: r.Entitlement,
	}
	mount := func(name, dir string) error {
		files, err := fsutil.NewFS(dir)
		if err != nil {
			return fmt.Errorf("open the build context %s: %w", dir, err)
		}
		options.LocalMounts[name] = files
		return nil
	}
	dockerfile := r.Dockerfile
	if dockerfile == "" {
		dockerfile = "Dockerfile"
	}
	switch {
	case r.Inline != "":
		dir, err := os.MkdirTemp("", "muster-build-")
		if err != nil {
			return options, cleanup, err
		}
		cleanup = func() { _ = os.RemoveAll(dir) }
		dockerfile = filepath.Join(dir, "Dockerfile")
		if err := os.WriteFile(dockerfile, []byte(r.Inline), 0o600); err != nil {
			return options, cleanup, err
		}
	case !filepath.IsAbs(dockerfile) && !IsRemote(r.Context):
		dockerfile = filepath.Join(r.Context, dockerfile)
	}
	options.FrontendAttrs["filename"] = filepath.Base(dockerfile)
	if filepath.IsAbs(dockerfile) {
		if err := mount("dockerfile", filepath.Dir(dockerfile)); err != nil {
			return options, cleanup, err
		}
	} else {
		options.FrontendAttrs["filename"] = dockerfile
	}
	if IsRemote(r.Context) {
		options.FrontendAttrs["context"] = r.Context
		if filepath.IsAbs(dockerfile) {
			options.FrontendAttrs["dockerfilekey"] = "dockerfile"
		}
	} else if err := mount("context", r.Context); err != nil {
		return options, cleanup, err
	}
	for name, where := range r.Contexts {
		if IsRemote(where) {
			options.FrontendAttrs["context:"+name] = where
			continue
		}
		options.FrontendAttrs["context:"+name] = "local:" + name
		if err := mount(name, where); err != nil {
			return options, cleanup, err
		}
	}
	if err := layouts(&options, r); err != nil {
		return options, cleanup, err
	}
	return options, cleanup, caches(&options, r)
}

// attributes are the frontend's settings: one line each.
func attributes(r Request) map[string]string {
	out := map[string]string{"image-resolve-mode": "local"}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("target", r.Target)
	set("platform", strings.Join(r.Platforms, ","))
	set("force-network-mode", r.Network)
	set("add-hosts", strings.Join(r.Hosts, ","))
	set("ulimit", strings.Join(r.Ulimits, ","))
	if r.ShmSize > 0 {
		set("shm-size", fmt.Sprint(r.ShmSize))
	}
	if r.Pull {
		set("image-resolve-mode", "pull")
	}
	if r.NoCache || len(r.NoCacheOf) > 0 {
		out["no-cache"] = strings.Join(r.NoCacheOf, ",") // empty is all of them
	}
	for k, v := range r.Attest {
		out["attest:"+k] = v
	}
	for k, v := range r.Args {
		out["build-arg:"+k] = v
	}
	for k, v := range r.Labels {
		out["label:"+k] = v
	}
	return out
}

// caches reads cache_from and cache_to.
func caches(options *client.SolveOpt, r Request) (err error) {
	if options.CacheImports, err = cacheEntries(r.CacheFrom); err != nil {
		return fmt.Errorf("cache_from: %w", err)
	}
	if options.CacheExports, err = cacheEntries(r.CacheTo); err != nil {
		return fmt.Errorf("cache_to: %w", err)
	}
	return nil
}

// cacheEntries reads "type=registry,ref=…"; a bare reference is an image in a registry.
func cacheEntries(list []string) ([]client.CacheOptionsEntry, error) {
	var out []client.CacheOptionsEntry
	for _, text := range list {
		entry := client.CacheOptionsEntry{Attrs: map[string]string{}}
		if !strings.Contains(text, "=") {
			entry.Type, entry.Attrs["ref"] = "registry", text
			out = append(out, entry)
			continue
		}
		for field := range strings.SplitSeq(text, ",") {
			key, value, found := strings.Cut(strings.TrimSpace(field), "=")
			if !found {
				return nil, fmt.Errorf("%q is not key=value", field)
			}
			if key == "type" {
				entry.Type = value
			} else {
				entry.Attrs[key] = value
			}
		}
		if entry.Type == "" {
			return nil, fmt.Errorf("%q has no type", text)
		}
		out = append(out, entry)
	}
	return out, nil
}

// attach offers the build what it may ask this machine for.
func attach(options *client.SolveOpt, config *configfile.ConfigFile, r Request) error {
	options.Session = []session.Attachable{
		authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: authprovider.LoadAuthConfig(config)}),
	}
	if len(r.Secrets) > 0 {
		options.Session = append(options.Session, secretsprovider.FromMap(r.Secrets))
	}
	if len(r.SSH) == 0 {
		return nil
	}
	var agents []sshprovider.AgentConfig
	for _, s := range r.SSH {
		agent := sshprovider.AgentConfig{ID: s.ID}
		if s.Path != "" {
			agent.Paths = []string{s.Path}
		}
		agents = append(agents, agent)
	}
	provider, err := sshprovider.NewSSHAgentProvider(agents)
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	options.Session = append(options.Session, provider)
	return nil
}
