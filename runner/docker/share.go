package docker

import (
	"context"
	"io"

	"github.com/docker/docker/client"

	"github.com/musterhq/muster/planner"
)

// Client is the connection itself, for what an engine can do besides keeping containers. It has settled on a version of the API.
func (e *Engine) Client(ctx context.Context) (*client.Client, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	return e.client, nil
}

// Explain says what was being done to what, and explains the causes that are the same whatever was done. A nil error stays nil.
func (e *Engine) Explain(ctx context.Context, err error, act, thing string) error {
	return e.wrap(ctx, err, act, thing)
}

// Said gives an engine's words without the client's preamble.
func Said(err error) string { return said(err) }

// Refused is an error that says what to do about it.
func Refused(problem, hint string, cause error) error {
	return &refusal{problem: problem, hint: hint, cause: cause}
}

// Credentials are what docker's configuration, or its helper, has for the registry of an image, in the engine's form.
func (e *Engine) Credentials(ref string) (string, error) { return e.credentials(ref) }

// Images looks references up; none, no call.
func (e *Engine) Images(ctx context.Context, refs []string) ([]planner.Image, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	return e.images(ctx, refs)
}

// ReadLogs reads a stream of the engine's with the time before each line, whether it is a terminal's or not.
func ReadLogs(body io.ReadCloser) *LogStream { return newLogStream(body, body.Close, true) }
