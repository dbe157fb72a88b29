package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// explainBuild says what to do about the reasons for which a build fails.
func (e *Engine) explainBuild(ctx context.Context, err error, a planner.BuildImage, by daemon) error {
	var unreached *buildkit.UnreachedError
	var unloaded *buildkit.LoadError
	switch {
	case err == nil, ctx.Err() != nil:
		return e.wrap(ctx, err, "build image", a.Ref)
	case errors.As(err, &unreached) && by.builder != nil:
		return explainBuilder(unreached, *by.builder, by.node)
	case errors.As(err, &unloaded):
		return e.wrap(ctx, unloaded.Cause, "load image", a.Ref)
	}
	text := err.Error()
	low := words(strings.ToLower(text))
	hint := "mend the Dockerfile; the lines above say how far it got"
	var cannot *UnsupportedError
	switch {
	case errors.As(err, &cannot):
		hint = cannot.Hint()
	case low.has("no space left") && by.builder != nil:
		text = "no space left on the disk of builder " + by.builder.Name
		hint = fmt.Sprintf("`docker buildx du --builder %[1]s` shows what takes the space, `docker buildx prune --builder %[1]s` frees it", by.builder.Name)
	case ofEngine(err), low.has("no space left"):
		return e.wrap(ctx, err, "build image", a.Ref)
	case low.has(`exec: "git": executable file not found`, "unknown scheme git"):
		hint = "the engine reads git repositories with git: install it where the engine runs, or use a folder"
	case low.has("no ssh key"):
		hint = "start an SSH agent that has the key (`ssh-agent`, `ssh-add`), and let the build use it: services." + a.Service + ".build.ssh: [default]"
	case low.has("failed to fetch remote", "failed to load git source") && (low.unanswered() || low.has("could not resolve host", "failed to connect")):
		hint = "the host of the git repository does not answer: correct services." + a.Service + ".build.context, or look at the engine's network and proxy"
	case low.has("failed to fetch remote", "failed to load git source"):
		hint = "the git repository, its branch or its folder cannot be had: correct services." + a.Service + ".build.context"
	case low.has("failed to push"):
		hint = "correct the image's name, or log in to its registry with `docker login`"
	case low.has("401 unauthorized", "pull access denied", "authorization failed", "no basic auth"):
		hint = "the image after FROM cannot be had: log in to its registry with `docker login`, or correct its name"
	case scanner(a) != "" && strings.Contains(text, scanner(a)) && low.has("failed to resolve source metadata", "failed to do request"):
		hint = fmt.Sprintf("the scanner that services.%s.build.sbom wants, %s, cannot be had: let who builds reach its registry, or pull it before; "+
			"sbom: generator=IMAGE names another one", a.Service, scanner(a))
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
	if by.builder != nil && strings.Contains(hint, "after FROM") {
		hint += "; builder " + by.builder.Name + " does not see the engine's own images: push what is only there to a registry, or build with BUILDX_BUILDER=default"
	}
	return &refusal{problem: fmt.Sprintf("image %s of %s could not be built: %s", a.Ref, a.Service, text), hint: hint, cause: err}
}

// scanner is the image that lists what is in the one that is built; empty where no list was asked for.
func scanner(a planner.BuildImage) string {
	switch wanted := a.Spec.Build.SBOM; wanted {
	case "", "false":
		return ""
	default:
		for field := range strings.SplitSeq(wanted, ",") {
			if name, ok := strings.CutPrefix(field, "generator="); ok {
				return name
			}
		}
		return "docker/buildkit-syft-scanner" // BuildKit's own choice
	}
}
