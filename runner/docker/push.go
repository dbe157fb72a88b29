package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// push sends an image to its registry and reports each layer.
func (e *Engine) push(ctx context.Context, a planner.PushImage, report func(runner.Progress)) error {
	auth, err := e.credentials(a.Ref)
	if err != nil {
		return err
	}
	err = insist(ctx, report, func(report func(runner.Progress)) error {
		body, err := e.client.ImagePush(ctx, a.Ref, image.PushOptions{RegistryAuth: auth})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return readProgress(body, report)
	})
	return e.explainPush(ctx, err, a)
}

// explainPush says what to do about the reasons for which a push fails.
func (e *Engine) explainPush(ctx context.Context, err error, a planner.PushImage) error {
	if err == nil || ctx.Err() != nil || ofEngine(err) {
		return e.wrap(ctx, err, "push image", a.Ref)
	}
	host, low := registryOf(a.Ref), wordsOf(err)
	reason, hint := "", ""
	switch {
	case low.has("does not exist locally", "no such image", "tag does not exist"):
		reason, hint = "it is not on the engine", "build it with `muster build "+first(a.Services)+"`"
	case low.has("denied", "unauthorized", "authentication required", "no basic auth"):
		reason, hint = host+" does not let you write there", "log in with `docker login "+host+"`, or correct services."+first(a.Services)+".image"
	default:
		reason, hint = low.trouble(host, err, "")
	}
	if reason == "" {
		return e.wrap(ctx, err, "push image", a.Ref)
	}
	return &refusal{problem: fmt.Sprintf("image %s could not be pushed: %s", a.Ref, reason), hint: hint, cause: err}
}
