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

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// build makes a service's image with the engine's BuildKit, or, where it has
// none (Podman), with its classic builder.
func (e *Engine) build(ctx context.Context, a planner.BuildImage, report func(runner.Progress)) error {
	if a.Spec.Build == nil {
		return &refusal{problem: a.Service + " has no build section", hint: "give it one, or an image that can be pulled"}
	}
	b := builder{action: a, api: e.client.ClientVersion(), proxies: e.config.ParseProxyConfig(e.client.DaemonHost(), nil)}
	r, err := b.request()
	if err != nil {
		return err
	}
	if !e.hasBuildKit() {
		err = e.classicBuild(ctx, a.Service, r, report)
	} else {
		err = buildkit.Build(ctx, e.client.DialHijack, e.config, r, report)
	}
	return e.explainBuild(ctx, err, a)
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
	b := builder{action: a, api: e.client.ClientVersion(), proxies: e.config.ParseProxyConfig(e.client.DaemonHost(), nil)}
	r, err := b.request()
	if err != nil {
		return BuildCheck{}, err
	}
	if !e.hasBuildKit() {
		return BuildCheck{}, &refusal{problem: "this engine cannot check Dockerfiles", hint: "it has no BuildKit; build to see what is wrong"}
	}
	text, warnings, err := buildkit.Check(ctx, e.client.DialHijack, e.config, r)
	return BuildCheck{Text: text, Warnings: warnings}, e.explainBuild(ctx, err, a)
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
}

func (b *builder) cannot(key, why string) {
	b.problems = append(b.problems, &UnsupportedError{Key: "services." + b.action.Service + ".build." + key, Why: why})
}

// need notes that key takes at least version of the API, since the frontend of
// older engines ignores in silence what it does not know.
func (b *builder) need(used bool, version, key string) {
	if used && versions.LessThan(b.api, version) {
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
		Platform:    b.platform(),
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
	const attest = "an engine's own image store keeps no attestations; build for a registry with buildx instead"
	if s.Provenance != "" && s.Provenance != "false" {
		b.cannot("provenance", attest)
	}
	if s.SBOM != "" && s.SBOM != "false" {
		b.cannot("sbom", attest)
	}
}

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

// platform is the build's, or the service's; one at a time, since the engine's store takes one.
func (b *builder) platform() string {
	s := b.action.Spec
	switch {
	case len(s.Build.Platforms) == 1:
		return s.Build.Platforms[0]
	case s.Platform != "":
		// For more than one, the service's own is the one that is to run here.
		return s.Platform
	case len(s.Build.Platforms) > 1:
		b.cannot("platforms", "the engine can keep one at a time; say with platform which one this service runs")
	}
	return ""
}

func (b *builder) ssh() []buildkit.SSH {
	var out []buildkit.SSH
	for _, s := range b.action.Spec.Build.SSH {
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
	for _, u := range ulimits(b.action.Spec.Build.Ulimits) {
		out = append(out, fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
	}
	return out
}

// explainBuild says what to do about the reasons for which a build fails.
func (e *Engine) explainBuild(ctx context.Context, err error, a planner.BuildImage) error {
	if err == nil || ctx.Err() != nil {
		return e.wrap(ctx, err, "build image", a.Ref)
	}
	text := err.Error()
	low := words(strings.ToLower(text))
	hint := "mend the Dockerfile; the lines above say how far it got"
	var cannot *UnsupportedError
	switch {
	case errors.As(err, &cannot):
		hint = cannot.Hint()
	case ofEngine(err), low.has("no space left"):
		return e.wrap(ctx, err, "build image", a.Ref)
	case low.has(`exec: "git": executable file not found`):
		hint = "the engine reads git repositories with git: install it where the engine runs, or use a folder"
	case low.has("401 unauthorized", "pull access denied", "authorization failed", "no basic auth"):
		hint = "the image after FROM cannot be had: log in to its registry with `docker login`, or correct its name"
	case low.has("failed to do request", "failed to resolve source metadata") && low.unanswered():
		hint = "the registry of the image after FROM does not answer: correct the name, or look at the engine's network and proxy"
	case low.has("failed to resolve source metadata", "pulling from host"):
		hint = "the image after FROM cannot be had: correct its name, or log in to its registry with `docker login`"
	case low.has("target stage"):
		hint = "correct services." + a.Service + ".build.target, or name a stage so in the Dockerfile: FROM … AS " + a.Spec.Build.Target
	case low.has("secret ") && low.has("not found"):
		hint = "the Dockerfile wants a secret that services." + a.Service + ".build.secrets does not give"
	case low.has("failed to compute cache key"):
		hint = "a file to COPY is not in the build context, or .dockerignore leaves it out"
	case low.has("is not allowed"):
		hint = "the engine's BuildKit has to allow it: \"builder\": {\"entitlements\": {…}} in its daemon.json"
	}
	return &refusal{problem: fmt.Sprintf("image %s of %s could not be built: %s", a.Ref, a.Service, text), hint: hint, cause: err}
}
