package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// These cases change nothing, or next to nothing.

// snapshot asks for all that a plan has to know, at the same time.
func (b *bench) snapshot(ctx context.Context) error {
	return each([]string{filtered("/containers/json"), filtered("/networks"), filtered("/volumes"), "/images/" + b.image + "/json"}, 4,
		func(path string) error { return b.engine.call(ctx, http.MethodGet, path, nil, nil) })
}

// looking is a case whose floor is one thing asked of the engine.
func looking(name string, n int, command, compose, what string, ask func(ctx context.Context, b *bench) error) benchCase {
	return benchCase{
		name: name, n: n, files: plain(n), prepare: prepareUp(n), standing: true, muster: words(command), compose: words(compose), what: what,
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			from := time.Now()
			err := ask(ctx, b)
			return time.Since(from), err
		},
	}
}

func noopUp(n int) benchCase {
	return looking("no-op up", n, "up -d", "up -d", "ask for the project's containers, networks, volumes and image",
		func(ctx context.Context, b *bench) error { return b.snapshot(ctx) })
}

// plan has no peer: docker compose's --dry-run walks through what it would do, and shows no difference. It finds out what somebody has changed, too, which
// no list says.
func plan(n int) benchCase {
	return looking("plan", n, "plan", "", "as for no-op up, then inspect each container, as many at a time as muster does",
		func(ctx context.Context, b *bench) error {
			if err := b.snapshot(ctx); err != nil {
				return err
			}
			return each(serviceNames(n), looks, func(name string) error {
				return b.engine.call(ctx, http.MethodGet, "/containers/"+name+"/json", nil, nil)
			})
		})
}

// looks is how many containers muster inspects at a time, or asks for their lines.
const looks = 64

func ps(n int) benchCase {
	return looking("ps", n, "ps", "ps", "list the project's containers", func(ctx context.Context, b *bench) error {
		_, err := b.engine.containers(ctx)
		return err
	})
}

// execIn runs a command in one of the containers.
func execIn(n int) benchCase {
	const command = "exec -T s000 /testapp health"
	return looking("exec -T", n, command, command, "list the project's containers, and run the command in one", func(ctx context.Context, b *bench) error {
		if _, err := b.engine.containers(ctx); err != nil {
			return err
		}
		code, err := b.engine.exec(ctx, serviceNames(n)[0], []string{"/testapp", "health"})
		if err == nil && code != 0 {
			err = fmt.Errorf("the command exited with %d", code)
		}
		return err
	})
}

// stopOne stops a container among others, which is started again before each turn.
func stopOne(n int) benchCase {
	const command = "stop -t 0 s000"
	c := looking("stop one", n, command, command, "list the project's containers, and stop one", func(ctx context.Context, b *bench) error {
		if _, err := b.engine.containers(ctx); err != nil {
			return err
		}
		return b.engine.stop(ctx, serviceNames(n)[0])
	})
	c.again = func(ctx context.Context, b *bench) error { return b.engine.start(ctx, serviceNames(n)[0]) }
	return c
}

// logsTail shows no line, for what the program needs before the first.
func logsTail(n int) benchCase {
	return looking("logs --tail 0", n, "logs --tail 0", "logs --tail 0", "list the project's containers, and ask each for no line",
		func(ctx context.Context, b *bench) error { return b.logs(ctx, "0") })
}

// logs is of n containers that have printed a thousand lines each.
func logs(n int) benchCase {
	c := looking("logs", n, "logs", "logs", "list the project's containers, and read the lines of each", func(ctx context.Context, b *bench) error { return b.logs(ctx, "all") })
	c.files = func(b *bench, _ tool) string { return file(b, n, "run, -lines=1000, -size=100", "") }
	return c
}

// logs reads those of all containers at the same time.
func (b *bench) logs(ctx context.Context, tail string) error {
	names, err := b.engine.containers(ctx)
	if err != nil {
		return err
	}
	return each(names, looks, func(name string) error {
		return b.engine.call(ctx, http.MethodGet, fmt.Sprintf("/containers/%s/logs?stdout=1&stderr=1&timestamps=1&tail=%s", name, tail), nil, nil)
	})
}

func config(n int) benchCase {
	return benchCase{
		name: "config", n: n, files: plain(n), standing: true, muster: words("config -q"), compose: words("config -q"),
		what: "none: the engine is not asked",
	}
}
