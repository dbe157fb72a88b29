package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/moby/buildkit/session"
)

// ErrInUse says that a session with this name is open, or was until some seconds ago.
var ErrInUse = errors.New("a session of this name is open")

// Open keeps a session with a name of the caller's open until end is called. The engine has no two of a name at
// a time; one whose holder is gone it drops after a health check has failed twice, which takes about ten seconds.
func Open(ctx context.Context, dial Dialer, name string) (end func(), err error) {
	s, err := session.NewSession(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	dialed := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The session outlives the call that opened it; only the dialing ends with that.
		_ = s.Run(context.WithoutCancel(ctx), func(_ context.Context, protocol string, meta map[string][]string) (net.Conn, error) {
			meta["X-Docker-Expose-Session-Uuid"] = []string{name}
			conn, err := dial(ctx, "/session", protocol, meta)
			dialed <- err
			return conn, err
		})
	}()
	if err := <-dialed; err != nil {
		cancel()
		<-done
		// The engine's own words get lost on the way; it has no other reason for this code.
		if strings.HasSuffix(err.Error(), "received 400") {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return func() {
		_ = s.Close()
		cancel()
		<-done
	}, nil
}
