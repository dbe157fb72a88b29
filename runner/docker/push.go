package docker

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/reference"
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
		if err != nil && strings.HasSuffix(err.Error(), "provided no error-message") {
			return e.reasonOfPodman(ctx, err, a.Ref, auth)
		}
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return readProgress(body, report)
	})
	return e.explainPush(ctx, err, a)
}

// reasonOfPodman asks once more for what the docker client does not find in the answer to a push, since Podman gives the reason as
// it does in the middle of one.
func (e *Engine) reasonOfPodman(ctx context.Context, unsaid error, ref, auth string) error {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return unsaid
	}
	tag := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	target, err := e.url("/v"+e.client.ClientVersion()+"/images/"+reference.TrimNamed(named).String()+"/push", url.Values{"tag": {tag}})
	if err != nil {
		return unsaid
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return unsaid
	}
	req.Header.Set("X-Registry-Auth", auth)
	resp, err := e.client.HTTPClient().Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := readProgress(resp.Body, func(runner.Progress) {}); err != nil || resp.StatusCode < http.StatusBadRequest {
		return err
	}
	return unsaid
}

// explainPush says what to do about the reasons for which a push fails.
func (e *Engine) explainPush(ctx context.Context, err error, a planner.PushImage) error {
	if err == nil || ctx.Err() != nil || ofEngine(err) {
		return e.wrap(ctx, err, "push image", a.Ref)
	}
	host, low := registryOf(a.Ref), wordsOf(err)
	reason, hint := "", ""
	switch {
	case low.has("does not exist locally", "no such image", "tag does not exist", "image not known"):
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
