package buildkit

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/docker/cli/cli/config/configfile"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
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
	return string(found["result.txt"]), warnings, nil
}
