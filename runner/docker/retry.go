package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/client"

	"github.com/musterhq/muster/runner"
)

// pauses are those between the tries of a transfer. The engine itself tries again to get a layer; what fails at once are the
// questions before it, such as what a tag means.
func pauses() []time.Duration {
	return []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}
}

// insist carries a transfer out, and again after a pause where it failed for a reason that passes.
func insist(ctx context.Context, report func(runner.Progress), transfer func(report func(runner.Progress)) error) error {
	began := false
	watched := func(p runner.Progress) {
		began = began || p.ID != ""
		if report != nil {
			report(p)
		}
	}
	return again(ctx, func() error { return transfer(watched) }, func(err error, pause time.Duration) bool {
		if !passing(err, began) {
			return false
		}
		watched(runner.Progress{Line: fmt.Sprintf("%s; trying again in %v", strings.TrimSpace(said(err)), pause)})
		return true
	})
}

// again does something, and once more after each of the pauses as long as its error is worth that.
func again(ctx context.Context, do func() error, worth func(err error, pause time.Duration) bool) error {
	for _, pause := range pauses() {
		err := do()
		if err == nil || ctx.Err() != nil || !worth(err, pause) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
	return do()
}

// passing says whether a transfer may work if it is tried again. A registry that refuses connections is most likely not
// there; once it has answered, it may come back.
func passing(err error, began bool) bool {
	if ofEngine(err) {
		return false
	}
	low := wordsOf(err)
	if low.has("unauthorized", "denied", "not found", "manifest unknown", "toomanyrequests", "no space left", "x509") {
		return false
	}
	return low.has("eof", "connection reset", "broken pipe", "i/o timeout", "tls handshake timeout", "deadline exceeded", "temporary failure in name resolution") ||
		low.failing() || began && low.has("connection refused")
}

// ofEngine says whether it is the engine that did not answer, and no registry.
func ofEngine(err error) bool {
	var cut *cutError
	return errors.As(err, &cut) || client.IsErrConnectionFailed(err)
}
