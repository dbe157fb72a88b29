package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/docker/cli/cli/config/configfile"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

// Check has BuildKit look for mistakes in the Dockerfile without building. The answer is what it found, for
// people, and how many warnings that are.
func Check(ctx context.Context, d Daemon, config *configfile.ConfigFile, r Request) (text string, warnings int, err error) {
	options, cleanup, err := solveOptions(r)
	if err != nil {
		return "", 0, err
	}
	defer cleanup()
	if err := attach(&options, config, r); err != nil {
		return "", 0, err
	}
	bk, err := d.connect(ctx)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = bk.Close() }()
	attributes := maps.Clone(options.FrontendAttrs)
	attributes["requestid"] = "frontend.lint"
	attributes["frontend.caps"] = "moby.buildkit.frontend.subrequests"
	frontend := options.Frontend
	options.Frontend, options.FrontendAttrs, options.Exports = "", nil, nil
	var found map[string][]byte
	_, err = bk.Build(ctx, options, "muster", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		got, err := c.Solve(ctx, gateway.SolveRequest{Frontend: frontend, FrontendOpt: attributes})
		if err == nil {
			found = got.Metadata
		}
		return got, err
	}, nil)
	if err != nil {
		return "", 0, explain(err, r)
	}
	warnings, err = strconv.Atoi(string(found["result.statuscode"]))
	if err != nil {
		return "", 0, fmt.Errorf("this BuildKit cannot check Dockerfiles: %w", err)
	}
	failure, err := failureOf(found["result.json"], r)
	if err != nil {
		return "", 0, fmt.Errorf("read what this BuildKit has found: %w", err)
	}
	text = string(found["result.txt"])
	if failure != nil {
		text += fmt.Sprintf("\nERROR: %v\n", failure)
	}
	return text, warnings, nil
}

// failureOf is what keeps the Dockerfile from being built at all, which BuildKit counts and leaves out of the text for people; nil where nothing does.
func failureOf(result []byte, r Request) (*Failure, error) {
	var all struct {
		Sources    []*pb.SourceInfo `json:"sources"`
		BuildError *struct {
			Message  string      `json:"message"`
			Location pb.Location `json:"location"`
		} `json:"buildError"`
	}
	if len(result) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(result, &all); err != nil || all.BuildError == nil {
		return nil, err
	}
	out := &Failure{Cause: errors.New(all.BuildError.Message)}
	if at := &all.BuildError.Location; len(at.Ranges) > 0 && at.SourceIndex >= 0 && int(at.SourceIndex) < len(all.Sources) {
		out.at(&errdefs.Source{Info: all.Sources[at.SourceIndex], Ranges: at.Ranges}, r)
	}
	return out, nil
}
