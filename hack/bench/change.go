package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// These cases begin with a stack that is up.

// replaced changes a variable of one service of n.
func replaced(n int) benchCase {
	return benchCase{
		name: "replace one", n: n, files: plain(n), muster: words("up -d"), compose: words("up -d"),
		what: "create the new container, stop the old one, start the new one, remove the old one",
		prepare: func(ctx context.Context, b *bench, t tool) error {
			if err := prepareUp(n)(ctx, b, t); err != nil {
				return err
			}
			return os.WriteFile(b.file(), []byte(file(b, n, "run", "other")), 0o600)
		},
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			old := serviceNames(n)[0]
			from := time.Now()
			err := errors.Join(
				b.engine.create(ctx, old+"-new", b.image, []string{"run"}),
				b.engine.call(ctx, http.MethodPost, "/containers/"+old+"/stop", nil, nil),
				b.engine.start(ctx, old+"-new"),
				b.engine.remove(ctx, old))
			return time.Since(from), err
		},
	}
}

// scale takes a service from one container to n.
func scale(n int) benchCase {
	command := words(fmt.Sprintf("up -d --scale s000=%d", n))
	return benchCase{
		name: "scale 1 to", n: n, files: plain(1), prepare: prepareUp(1), muster: command, compose: command,
		what: "create and start the containers that are missing, as many at a time as muster does",
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			from := time.Now()
			err := each(serviceNames(n)[1:], parallel(), func(name string) error {
				return errors.Join(b.engine.create(ctx, name, b.image, []string{"run"}), b.engine.start(ctx, name))
			})
			return time.Since(from), err
		},
	}
}
