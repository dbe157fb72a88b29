package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// cases are all that is measured. A case is a row of the table.
func cases() []benchCase {
	out := []benchCase{chain(10), watchCase(1, 10<<10), watchCase(1000, 1<<10)}
	for _, n := range []int{1, 20, 100} {
		out = append(out, coldUp(n), down(n), noopUp(n), ps(n), config(n), plan(n), logsTail(n), execIn(n), stopOne(n))
	}
	out = append(out, noopUp(300), ps(300), config(300), plan(300), logsTail(300), execIn(300), stopOne(300), replaced(1), replaced(20), replaced(100), scale(20), logs(20))
	if os.Getenv("POSTGRES_IMAGE") != "" { // set by hack/with-engine, as are the others that it needs
		out = append(out, shop())
	}
	return out
}

// parallel is how many calls the floor has in flight: as many as muster begins with.
func parallel() int { return min(max(4*runtime.GOMAXPROCS(0), 8), 16) }

// readyAfter is what each service of the chain needs to become healthy.
const readyAfter = 300 * time.Millisecond

// chain is of services each of which waits for the one before to be healthy. muster gets the engine's default
// interval of 30 s; docker compose, which would take that long for each link, one of 2 s.
func chain(n int) benchCase {
	return benchCase{
		name: "chain", n: n, muster: words("up -d --wait"), compose: words("up -d --wait"),
		what: "for each link the raw start call, the 300 ms that the service needs, and one raw exec of its check",
		files: func(b *bench, t tool) string {
			var y strings.Builder
			y.WriteString("services:\n")
			for i := range n {
				fmt.Fprintf(&y, "  link%02d:\n    image: %s\n    command: [run, -healthy-after=%s]\n    healthcheck: {test: [CMD, /testapp, health]", i, b.image, readyAfter)
				if t == compose {
					y.WriteString(", interval: 2s")
				}
				y.WriteString("}\n    stop_grace_period: 1s\n")
				if i > 0 {
					fmt.Fprintf(&y, "    depends_on: {link%02d: {condition: service_healthy}}\n", i-1)
				}
			}
			return y.String()
		},
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			names := serviceNames(n)
			if err := b.engine.createNetwork(ctx); err != nil {
				return 0, err
			}
			err := each(names, parallel(), func(name string) error {
				return b.engine.create(ctx, name, b.image, []string{"run", "-healthy-after=" + readyAfter.String()})
			})
			if err != nil {
				return 0, err
			}
			from := time.Now()
			for _, name := range names {
				if err := b.engine.start(ctx, name); err != nil {
					return 0, err
				}
				time.Sleep(readyAfter)
				code, err := b.engine.exec(ctx, name, []string{"/testapp", "health"})
				if err != nil {
					return 0, err
				}
				// It may not be healthy yet: the time counts from its port, which opens a little after the start.
				if code > 1 {
					return 0, fmt.Errorf("the check of %s exited with %d", name, code)
				}
			}
			return time.Since(from), nil
		},
	}
}

func serviceNames(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s-s%03d-1", project, i))
	}
	return out
}

// plain is a file of n services that need nothing.
func plain(n int) func(*bench, tool) string {
	return func(b *bench, _ tool) string { return file(b, n, "run", "") }
}

// file is a file of n services; first is a variable of the first one.
func file(b *bench, n int, command, first string) string {
	var y strings.Builder
	y.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&y, "  s%03d:\n    image: %s\n    command: [%s]\n    environment: {INDEX: \"%d%s\"}\n", i, b.image, command, i, first)
		first = ""
	}
	if n > 250 {
		// What an engine gives a network by itself has no more addresses.
		y.WriteString("networks:\n  default: {ipam: {config: [{subnet: 10.214.0.0/20}]}}\n")
	}
	return y.String()
}

func coldUp(n int) benchCase {
	return benchCase{
		name: "cold up", n: n, files: plain(n), muster: words("up -d"), compose: words("up -d"), least: "up",
		what: "create the network, then create and start the containers, as many at a time as muster begins with",
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			from := time.Now()
			err := b.rawUp(ctx, n)
			return time.Since(from), err
		},
	}
}

// rawUp brings n containers up with nothing but the calls for it.
func (b *bench) rawUp(ctx context.Context, n int) error {
	if err := b.engine.createNetwork(ctx); err != nil {
		return err
	}
	return each(serviceNames(n), parallel(), func(name string) error {
		if err := b.engine.create(ctx, name, b.image, []string{"run"}); err != nil {
			return err
		}
		return b.engine.start(ctx, name)
	})
}

// prepareUp brings the stack up, by raw calls for the floor.
func prepareUp(n int) func(context.Context, *bench, tool) error {
	return func(ctx context.Context, b *bench, t tool) error {
		if t == floor || t == leastOf {
			return b.rawUp(ctx, n)
		}
		return up(ctx, b, t)
	}
}

func down(n int) benchCase {
	return benchCase{
		name: "down", n: n, files: plain(n), prepare: prepareUp(n), muster: words("down -t 0"), compose: words("down -t 0"), least: "down",
		what: "stop and remove the containers, as many at a time as muster begins with, then remove the network",
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			from := time.Now()
			err := b.rawDown(ctx, n)
			return time.Since(from), err
		},
	}
}

// rawDown takes n containers and their network down with nothing but the calls for it.
func (b *bench) rawDown(ctx context.Context, n int) error {
	err := each(serviceNames(n), parallel(), func(name string) error {
		return errors.Join(b.engine.stop(ctx, name), b.engine.remove(ctx, name))
	})
	return errors.Join(err, b.engine.removeNetwork(ctx))
}
