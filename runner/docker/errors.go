package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// refusal is what the engine refused, in words that say what to do about it.
type refusal struct {
	problem string
	hint    string
	cause   error
}

// Error is the whole problem; the engine's own words are in the cause where
// they say no more.
func (r *refusal) Error() string { return r.problem }

// Hint says what to do about it.
func (r *refusal) Hint() string { return r.hint }

// Unwrap gives what the engine said.
func (r *refusal) Unwrap() error { return r.cause }

// UnsupportedError says that a key of the file asks for what the engine cannot do.
type UnsupportedError struct {
	Key  string // such as "services.web.networks.front.interface_name"
	Need string // the lowest API version that can; empty where none can
	Have string // the API version that is spoken
	Why  string // instead of a version
}

// Error names the key and what it needs.
func (e *UnsupportedError) Error() string {
	if e.Need == "" {
		return e.Key + ": " + e.Why
	}
	return fmt.Sprintf("%s needs engine API %s, this engine speaks %s", e.Key, e.Need, e.Have)
}

// Hint says how to get on.
func (e *UnsupportedError) Hint() string {
	if e.Need == "" {
		return "take the key out"
	}
	return "update the engine, or take the key out"
}

// said gives the engine's words without the client's preamble.
func said(err error) string {
	text := err.Error()
	for _, preamble := range []string{"Error response from daemon: ", "error during connect: "} {
		text = strings.TrimPrefix(text, preamble)
	}
	return text
}

// wrap says what was being done to what, and explains the causes that are
// the same whatever was done. A nil error stays nil.
func (e *Engine) wrap(ctx context.Context, err error, act, thing string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %q: %w", act, thing, context.Cause(ctx))
	}
	var known interface{ Hint() string }
	if errors.As(err, &known) {
		return err
	}
	if client.IsErrConnectionFailed(err) {
		// The client keeps the reason to itself; asking again brings it to light.
		if _, reason := e.ping(ctx, http.MethodHead); reason != nil {
			err = reason
		}
		return unreachable(e.host, err)
	}
	text := said(err)
	if strings.Contains(text, "no space left on device") {
		return &refusal{
			problem: fmt.Sprintf("%s %q: no space left on the engine's disk", act, thing),
			hint:    "`docker system df` shows what takes the space, `docker system prune` frees what nothing uses",
			cause:   err,
		}
	}
	return fmt.Errorf("%s %q: %w", act, thing, &plain{text: text, cause: err})
}

// plain is an engine's error without the client's preamble.
type plain struct {
	text  string
	cause error
}

// Error is the engine's text.
func (p *plain) Error() string { return p.text }

// Unwrap keeps the class of the error, such as not found.
func (p *plain) Unwrap() error { return p.cause }

// gone says that the thing is not there.
func gone(err error) bool { return cerrdefs.IsNotFound(err) }

// IsNotFound says whether err means that the engine has no such thing.
func IsNotFound(err error) bool { return gone(err) }
