package docker

import (
	"context"
	"fmt"
)

// Digest asks the registry, through the engine and with docker's login, which content an
// image's tag means now: as "sha256:…".
func (e *Engine) Digest(ctx context.Context, ref string) (string, error) {
	if err := e.connect(ctx); err != nil {
		return "", err
	}
	auth, err := e.credentials(ref)
	if err != nil {
		return "", err
	}
	found, err := e.client.DistributionInspect(ctx, ref, auth)
	if gone(err) && e.isPodman() {
		return "", &refusal{
			problem: fmt.Sprintf("Podman does not ask registries what %s is now", ref),
			hint:    "pull it first: of an image that is on the engine, the digest is known", cause: err,
		}
	}
	if err != nil {
		return "", e.wrap(ctx, err, "look up", ref)
	}
	if found.Descriptor.Digest == "" {
		return "", fmt.Errorf("look up %q: the registry gives no digest", ref)
	}
	return found.Descriptor.Digest.String(), nil
}
