package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"
	"github.com/moby/buildkit/util/gitutil"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// build makes a service's image with the builder that was chosen for buildx, the engine's BuildKit or, where it has
// none (Podman), with its classic builder.
func (e *Engine) build(ctx context.Context, a planner.BuildImage, report func(runner.Progress)) error {
	if a.Spec.Build == nil {
		return &refusal{problem: a.Service + " has no build section", hint: "give it one, or an image that can be pulled"}
	}
	r, d, err := e.prepareBuild(ctx, a)
	if err != nil {
		return err
	}
	if d.builder == nil && !e.hasBuildKit() {
		err = e.classicBuild(ctx, a.Service, r, report)
		return e.explainBuild(ctx, err, a, d)
	}
	if d.builder != nil { // what it makes is loaded, which takes care of the image that loses its name
		cleanup, err := e.bringBases(ctx, a, &r)
		defer cleanup()
		if err != nil {
			return err
		}
		return e.explainBuild(ctx, buildkit.Build(ctx, d.Daemon, e.config, r, report), a, d)
	}
	release, err := e.holdReplaced(ctx, a.Ref)
	if err != nil {
		return err
	}
	err = e.explainBuild(ctx, buildkit.Build(ctx, d.Daemon, e.config, r, report), a, d)
	return errors.Join(err, release())
}

// prepareBuild writes a build down, and finds the BuildKit for it.
func (e *Engine) prepareBuild(ctx context.Context, a planner.BuildImage) (buildkit.Request, daemon, error) {
	chosen, err := e.chosen()
	if err != nil {
		return buildkit.Request{}, daemon{}, err
	}
	b := builder{action: a, api: e.client.ClientVersion(), proxies: e.config.ParseProxyConfig(e.client.DaemonHost(), nil), elsewhere: chosen != nil}
	keeps := false
	if s := a.Spec.Build; len(s.Platforms) > 1 || s.Provenance != "" || s.SBOM != "" {
		if keeps, err = e.keepsIndexes(ctx); err != nil {
			return buildkit.Request{}, daemon{}, err
		}
	}
	b.indexes = keeps || a.Push && chosen != nil
	r, err := b.request()
	if err != nil {
		return r, daemon{}, err
	}
	r.Index = keeps
	return r, e.daemonOf(chosen, r.Platforms), nil
}

// BuildCheck is what was found in a Dockerfile.
type BuildCheck struct {
	Text     string // for people
	Warnings int
}

// CheckBuild looks for mistakes in the Dockerfile of a build, and builds nothing.
func (e *Engine) CheckBuild(ctx context.Context, a planner.BuildImage) (BuildCheck, error) {
	if err := e.connect(ctx); err != nil {
		return BuildCheck{}, err
	}
	r, d, err := e.prepareBuild(ctx, a)
	if err != nil {
		return BuildCheck{}, err
	}
	if d.builder == nil && !e.hasBuildKit() {
		return BuildCheck{}, &refusal{problem: "this engine cannot check Dockerfiles", hint: "it has no BuildKit; build to see what is wrong"}
	}
	text, warnings, err := buildkit.Check(ctx, d.Daemon, e.config, r)
	return BuildCheck{Text: text, Warnings: warnings}, e.explainBuild(ctx, err, a, d)
}

// keepsIndexes says whether the engine's store is containerd's, which keeps what belongs to an image besides its layers.
func (e *Engine) keepsIndexes(ctx context.Context) (bool, error) {
	is, err := e.client.Info(ctx)
	if err != nil {
		return false, e.wrap(ctx, err, "ask", "the engine's image store")
	}
	return slices.Contains(is.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"}), nil
}

func (e *Engine) hasBuildKit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.buildkit
}

// builder writes a build section down as a request.
type builder struct {
	action   planner.BuildImage
	api      string
	proxies  map[string]*string
	problems []error
	// elsewhere: the BuildKit is not the engine's, and what the engine is too old for does not count.
	elsewhere bool
	// indexes: where the image goes keeps attestations, and images for several platforms.
	indexes bool
}

func (b *builder) cannot(key, why string) {
	b.problems = append(b.problems, &UnsupportedError{Key: "services." + b.action.Service + ".build." + key, Why: why})
}

// need notes that key takes at least version of the API, since the frontend of
// older engines ignores in silence what it does not know.
func (b *builder) need(used bool, version, key string) {
	if used && !b.elsewhere && versions.LessThan(b.api, version) {
		b.problems = append(b.problems, &UnsupportedError{Key: "services." + b.action.Service + ".build." + key, Need: version, Have: b.api})
	}
}

// request has one line a key.
func (b *builder) request() (buildkit.Request, error) {
	s := b.action.Spec.Build
	r := buildkit.Request{
		Args:        b.args(),
		CacheFrom:   s.CacheFrom,
		CacheTo:     s.CacheTo,
		Context:     s.Context,
		Contexts:    b.contexts(),
		Dockerfile:  s.Dockerfile,
		Entitlement: slices.Clone(s.Entitlements),
		Hosts:       b.hosts(),
		Inline:      s.DockerfileInline,
		Labels:      merged(s.Labels, b.action.Labels),
		Network:     b.network(),
		NoCache:     s.NoCache,
		NoCacheOf:   s.NoCacheFilter,
		Platforms:   b.platforms(),
		Attest:      b.attestations(),
		Push:        b.action.Push,
		Pull:        s.Pull,
		SSH:         b.ssh(),
		Secrets:     b.secrets(),
		ShmSize:     int64(s.ShmSize),
		Tags:        b.tags(),
		Target:      s.Target,
		Ulimits:     b.ulimits(),
	}
	if s.Privileged {
		r.Entitlement = append(r.Entitlement, "security.insecure")
	}
	b.need(len(r.Contexts) > 0, "1.42", "additional_contexts")
	b.need(r.ShmSize > 0, "1.42", "shm_size")
	b.need(len(r.Ulimits) > 0, "1.42", "ulimits")
	b.refuse()
	if err := errors.Join(b.problems...); err != nil {
		return r, err
	}
	return r, b.contextThere(r)
}

// refuse names the keys that this builder has nothing for.
func (b *builder) refuse() {
	s := b.action.Spec.Build
	if s.Isolation != "" && s.Isolation != "default" {
		b.cannot("isolation", "only Windows engines have it, and they have no BuildKit")
	}
}

// attestations are what is said of an image besides it, by BuildKit's names.
func (b *builder) attestations() map[string]string {
	out := map[string]string{}
	for key, value := range map[string]string{"provenance": b.action.Spec.Build.Provenance, "sbom": b.action.Spec.Build.SBOM} {
		switch {
		case value == "" || value == "false":
			continue
		case !b.indexes:
			b.cannot(key, "the engine's image store keeps no attestations; "+instead)
		case value == "true":
			out[key] = ""
		default:
			out[key] = value
		}
	}
	return out
}

// instead is how to have what a classic image store does not keep.
const instead = "switch its containerd image store on, or push with a builder of buildx: BUILDX_BUILDER=NAME muster build --push"

// contextThere says at once what BuildKit would say in other words after a while.
func (b *builder) contextThere(r buildkit.Request) error {
	if buildkit.IsRemote(r.Context) {
		return nil
	}
	dir, err := os.Stat(r.Context)
	if err == nil && !dir.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return &refusal{
			problem: fmt.Sprintf("the build context of %s, %s, cannot be used: %s", b.action.Service, r.Context, innermost(err)),
			hint:    "correct services." + b.action.Service + ".build.context", cause: err,
		}
	}
	if r.Inline != "" {
		return nil
	}
	file := r.Dockerfile
	if file == "" {
		file = "Dockerfile"
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(r.Context, file)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return &refusal{
			problem: fmt.Sprintf("%s has no Dockerfile %s", b.action.Service, file),
			hint:    "make it, or correct services." + b.action.Service + ".build.dockerfile", cause: err,
		}
	}
	return nil
}

// tags are the image's own reference and the further ones.
func (b *builder) tags() []string {
	out := []string{b.action.Ref}
	for _, t := range b.action.Spec.Build.Tags {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// args are the declared ones over the proxies of docker's configuration. One without
// a value anywhere is left to the Dockerfile's default.
func (b *builder) args() map[string]string {
	out := map[string]string{}
	for k, v := range b.proxies {
		if v != nil {
			out[k] = *v
		}
	}
	for k, v := range b.action.Spec.Build.Args {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

func (b *builder) contexts() map[string]string {
	out := map[string]string{}
	for name, where := range b.action.Spec.Build.AdditionalContexts {
		if service, found := strings.CutPrefix(where, "service:"); found {
			b.cannot("additional_contexts."+name, "the image of service "+service+" was not given as docker-image://…")
			continue
		}
		if strings.HasPrefix(where, "oci-layout://") {
			b.cannot("additional_contexts."+name, "OCI layouts are not supported; load it into the engine and use docker-image://…")
			continue
		}
		if where == "" {
			b.cannot("additional_contexts."+name, "it has no place")
			continue
		}
		out[name] = where
	}
	return out
}

func (b *builder) hosts() []string {
	list := sorted(b.action.Spec.Build.ExtraHosts.AsList("="))
	for _, entry := range list {
		if strings.HasSuffix(entry, "=host-gateway") {
			b.cannot("extra_hosts", "host-gateway is known only to running containers; write the address")
		}
	}
	return list
}

func (b *builder) network() string {
	switch n := b.action.Spec.Build.Network; n {
	case "", "default", "bridge":
		return ""
	case "none", "host":
		return n
	default:
		b.cannot("network", fmt.Sprintf("BuildKit has the networks default, host and none, and not %q", n))
		return ""
	}
}

// platforms are the build's, or the service's. A store that takes one at a time gets the one that is to run here.
func (b *builder) platforms() []string {
	s := b.action.Spec
	switch {
	case len(s.Build.Platforms) == 1, len(s.Build.Platforms) > 1 && b.indexes:
		return s.Build.Platforms
	case s.Platform != "":
		return []string{s.Platform}
	case len(s.Build.Platforms) > 1:
		b.cannot("platforms", "the engine's image store keeps one at a time; say with platform which one this service runs, "+instead)
	}
	return nil
}

// ssh are the agents that the build may use. A repository that is fetched over SSH gets the user's own unasked, as docker's
// builds do.
func (b *builder) ssh() []buildkit.SSH {
	build := b.action.Spec.Build
	if len(build.SSH) == 0 && os.Getenv("SSH_AUTH_SOCK") != "" {
		if u, err := gitutil.ParseURL(build.Context); err == nil && u.Scheme == gitutil.SSHProtocol {
			return []buildkit.SSH{{ID: "default"}}
		}
	}
	var out []buildkit.SSH
	for _, s := range build.SSH {
		id, path, _ := strings.Cut(s.ID, "=")
		out = append(out, buildkit.SSH{ID: id, Path: path})
	}
	return out
}

// secrets are read when the build begins; they go to BuildKit on request and
// are in no layer.
func (b *builder) secrets() map[string][]byte {
	out := map[string][]byte{}
	for _, s := range b.action.Secrets {
		text := []byte(s.Content)
		if s.Source != "" {
			var err error
			if text, err = os.ReadFile(s.Source); err != nil {
				b.problems = append(b.problems, &refusal{
					problem: fmt.Sprintf("%s cannot be read: %s", s.Key, innermost(err)),
					hint:    "make " + s.Source + ", or correct " + s.Key + ".file", cause: err,
				})
			}
		}
		out[s.Target] = text
	}
	for _, s := range b.action.Spec.Build.Secrets {
		id := s.Target
		if id == "" {
			id = s.Source
		}
		if _, given := out[id]; !given {
			b.cannot("secrets", "secret "+s.Source+" was not given to the build")
		}
	}
	return out
}

func (b *builder) ulimits() []string {
	var out []string
	for _, u := range Ulimits(b.action.Spec.Build.Ulimits) {
		out = append(out, fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
	}
	return out
}
