package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
)

// The least is the floor as a program of its own that keeps muster's promises: it looks at what there is before it changes anything, keeps others out of
// the project meanwhile, looks again when they are, and leaves the lock when it is done. It makes containers beside their network and removes them beside it,
// as muster does.

// leastProject is the variable that tells the program which project it works on.
const leastProject = "MUSTER_BENCH_PROJECT"

// leastArgs are this program's arguments for that.
func (b *bench) leastArgs(c benchCase) []string {
	return []string{"least", c.least, strconv.Itoa(c.n), b.image}
}

// least is what that program does.
func least(ctx context.Context, args []string) error {
	const arguments = 3
	if len(args) != arguments {
		return fmt.Errorf("least: want what to do, how many services and their image, and got %q", args)
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	b := bench{image: args[2]}
	if b.engine, err = newAPI(os.Getenv("DOCKER_HOST")); err != nil {
		return err
	}
	if err := b.snapshot(ctx); err != nil {
		return err
	}
	lock := "/volumes/" + project + "_lock"
	if err := b.engine.call(ctx, http.MethodPost, "/volumes/create", object{"Name": project + "_lock", "Labels": labels()}, nil); err != nil {
		return err
	}
	if err := b.snapshot(ctx); err != nil {
		return err
	}
	switch args[0] {
	case "up":
		if err = b.leastUp(ctx, n); err == nil {
			_, err = b.engine.containers(ctx) // what has become of them
		}
	case "down":
		err = b.leastDown(ctx, n)
	default:
		return fmt.Errorf("least: cannot do %q", args[0])
	}
	if err != nil {
		return err
	}
	if err := b.engine.call(ctx, http.MethodGet, lock, nil, nil); err != nil { // is it still ours?
		return err
	}
	return b.engine.call(ctx, http.MethodDelete, lock, nil, nil)
}

// leastUp brings n containers up. Only their start waits for the network.
func (b *bench) leastUp(ctx context.Context, n int) error {
	var failed error
	made := make(chan struct{})
	go func() {
		failed = b.engine.createNetwork(ctx)
		close(made)
	}()
	return each(serviceNames(n), parallel(), func(name string) error {
		err := b.engine.create(ctx, name, b.image, []string{"run"})
		<-made
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		return b.engine.start(ctx, name)
	})
}

// leastDown takes n containers down, and their network once they have stopped.
func (b *bench) leastDown(ctx context.Context, n int) error {
	names := serviceNames(n)
	if err := each(names, parallel(), func(name string) error { return b.engine.stop(ctx, name) }); err != nil {
		return err
	}
	removed := make(chan error, 1)
	go func() { removed <- b.engine.removeNetwork(ctx) }()
	err := each(names, parallel(), func(name string) error { return b.engine.remove(ctx, name) })
	return errors.Join(err, <-removed)
}
