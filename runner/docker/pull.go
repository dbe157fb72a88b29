package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// hubKey is the name under which docker keeps the credentials of Docker Hub.
const hubKey = "https://index.docker.io/v1/"

// pull fetches an image and reports each layer.
func (e *Engine) pull(ctx context.Context, a planner.PullImage, report func(runner.Progress)) error {
	err := e.fetch(ctx, a, report)
	if err == nil {
		return nil
	}
	if a.Optional && ctx.Err() == nil {
		if _, missing := e.client.ImageInspect(ctx, a.Ref); missing == nil {
			report(runner.Progress{Line: "not pulled, the local image is used: " + err.Error()})
			return nil
		}
	}
	return err
}

func (e *Engine) fetch(ctx context.Context, a planner.PullImage, report func(runner.Progress)) error {
	auth, err := e.credentials(a.Ref)
	if err != nil {
		return err
	}
	err = insist(ctx, report, func(report func(runner.Progress)) error {
		body, err := e.client.ImagePull(ctx, a.Ref, image.PullOptions{RegistryAuth: auth, Platform: a.Platform})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return readProgress(body, report)
	})
	if err != nil {
		return e.explainPull(ctx, err, a)
	}
	return e.stamp(ctx, a.Ref)
}

// stamp notes on the engine that an image has just been pulled: it keeps when a name was last given, and a pull that finds
// nothing new gives none. Without it an image would be pulled each time once its period is over. A digest has
// no such time, and never anything new either.
func (e *Engine) stamp(ctx context.Context, ref string) error {
	if strings.Contains(ref, "@") {
		return nil
	}
	err := e.client.ImageTag(ctx, ref, ref)
	return e.wrap(ctx, err, "note the pull of image", ref)
}

// credentials are what docker's configuration, or its helper, has for the
// registry, in the engine's form.
func (e *Engine) credentials(ref string) (string, error) {
	key := registryOf(ref)
	if key == "docker.io" {
		key = hubKey
	}
	auth, err := e.config.GetAuthConfig(key)
	if err != nil {
		return "", &refusal{
			problem: fmt.Sprintf("the credentials for %s cannot be read: %v", registryOf(ref), err),
			hint:    "look at credsStore and credHelpers in " + e.config.GetFilename(),
			cause:   err,
		}
	}
	encoded, err := registry.EncodeAuthConfig(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, Auth: auth.Auth, ServerAddress: auth.ServerAddress,
		IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
	})
	if err != nil {
		return "", fmt.Errorf("encode the credentials for %s: %w", registryOf(ref), err)
	}
	return encoded, nil
}

// registryOf is the host of an image's registry.
func registryOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.Domain(named)
}

// cutError is an answer of the engine that ended before its end: it is not the registry that failed.
type cutError struct{ cause error }

// Error says what is known, which is little.
func (e *cutError) Error() string { return "the engine's answer was cut off: " + e.cause.Error() }

// Unwrap gives what the connection said.
func (e *cutError) Unwrap() error { return e.cause }

// readProgress reads the engine's stream of messages; an error among them is the result.
func readProgress(body io.Reader, report func(runner.Progress)) error {
	decoder := json.NewDecoder(body)
	for {
		var m struct {
			ID             string `json:"id"`
			Status         string `json:"status"`
			Stream         string `json:"stream"`
			ProgressDetail struct{ Current, Total int64 }
			Error          string
			ErrorDetail    *struct{ Message string }
		}
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &cutError{err}
		}
		switch {
		case m.ErrorDetail != nil && m.ErrorDetail.Message != "":
			return errors.New(m.ErrorDetail.Message)
		case m.Error != "":
			return errors.New(m.Error)
		case m.Stream != "":
			for line := range strings.Lines(m.Stream) {
				report(runner.Progress{Line: strings.TrimRight(line, "\r\n")})
			}
		case m.ID != "":
			report(runner.Progress{ID: m.ID, Text: m.Status, Current: m.ProgressDetail.Current, Total: m.ProgressDetail.Total})
		case m.Status != "":
			report(runner.Progress{Text: m.Status})
		}
	}
}

// explainPull says what to do about the reasons for which a pull fails.
func (e *Engine) explainPull(ctx context.Context, err error, a planner.PullImage) error {
	host := registryOf(a.Ref)
	low := wordsOf(err)
	login := "log in with `docker login " + host + "`"
	if host == "docker.io" {
		login = "log in with `docker login`"
	}
	reason, hint := "", ""
	switch {
	case ctx.Err() != nil, ofEngine(err):
	case low.has("no basic auth"): // in containerd's words with the next one's
		reason, hint = "authentication required", login
	case low.has("pull access denied", "repository does not exist"):
		reason, hint = "there is no such image at "+host+", or it is not public", "correct the name, or "+login
	case low.has("toomanyrequests", "rate limit"):
		reason, hint = "too many pulls from "+host, login+", or wait"
	case low.has("unauthorized", "authentication required", "denied"):
		reason, hint = "authentication required", login
	case low.has("manifest unknown", "not found"):
		reason, hint = "there is no such tag or image at "+host, "correct services."+first(a.Services)+".image"
	case low.has("no matching manifest"):
		reason, hint = "it is not made for the engine's platform", "set services."+first(a.Services)+".platform to one that it is made for"
	default:
		reason, hint = low.trouble(host, err, ", or use a mirror")
	}
	if reason == "" || low.has("no space left") {
		return e.wrap(ctx, err, "pull image", a.Ref)
	}
	return &refusal{problem: fmt.Sprintf("image %s could not be pulled: %s", a.Ref, reason), hint: hint, cause: err}
}

func first(list []string) string {
	if len(list) == 0 {
		return "NAME"
	}
	return list[0]
}
