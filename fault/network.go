package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/fault/agent"
	"github.com/musterhq/muster/planner"
)

// On is a fault of the way from the containers that a job names to a port of another service. It is Toxiproxy's: new TCP connections
// go through a proxy in the network of the one that makes them. Who else connects to that service notices nothing, and what is
// connected already stays as it is.
type On struct {
	To   string // a service
	Port int
	// Toxic is what happens to the connections: [Latency], [Bandwidth], [Timeout] or [Reset].
	Toxic Toxic
	// Upstream: it happens to what is sent, and not to what is answered.
	Upstream bool
	// Toxicity is the share of connections that it happens to, above 0; 0 is all of them.
	Toxicity float64
}

// Toxic is what happens to connections.
type Toxic interface {
	// toxic is its name at Toxiproxy, and its attributes there.
	toxic() (string, map[string]any)
	did() string
}

// Latency delays all data by Delay, give or take Jitter.
type Latency struct{ Delay, Jitter time.Duration }

// Bandwidth lets no more through than Rate, in KB a second.
type Bandwidth struct{ Rate int }

// Timeout lets no data through, and closes the connection after After; 0 is never.
type Timeout struct{ After time.Duration }

// Reset breaks connections with a TCP reset after After; 0 is at once.
type Reset struct{ After time.Duration }

func (l Latency) toxic() (string, map[string]any) {
	return "latency", map[string]any{"latency": l.Delay.Milliseconds(), "jitter": l.Jitter.Milliseconds()}
}

func (b Bandwidth) toxic() (string, map[string]any) {
	return "bandwidth", map[string]any{"rate": b.Rate}
}

func (t Timeout) toxic() (string, map[string]any) {
	return "timeout", map[string]any{"timeout": t.After.Milliseconds()}
}

func (r Reset) toxic() (string, map[string]any) {
	return "reset_peer", map[string]any{"timeout": r.After.Milliseconds()}
}

func (l Latency) did() string {
	if l.Jitter > 0 {
		return fmt.Sprintf("%s ± %s late", l.Delay, l.Jitter)
	}
	return l.Delay.String() + " late"
}

func (b Bandwidth) did() string { return fmt.Sprintf("at most %d KB/s", b.Rate) }

func (t Timeout) did() string {
	if t.After > 0 {
		return "silent, and closed after " + t.After.String()
	}
	return "silent"
}

func (r Reset) did() string {
	if r.After > 0 {
		return "reset after " + r.After.String()
	}
	return "reset"
}

// Did says what the connections suffer.
func (f On) Did() string {
	text := fmt.Sprintf("to %s:%d %s", f.To, f.Port, f.Toxic.did())
	if f.Toxicity > 0 && f.Toxicity < 1 {
		text += fmt.Sprintf(", %.4g %% of connections", f.Toxicity*100)
	}
	return text
}

// Lasts is true: the way is to be free again.
func (On) Lasts() bool { return true }

func (f On) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	addresses, err := s.addresses(ctx, c, f.To)
	if err != nil {
		return nil, err
	}
	args, err := f.args(addresses)
	if err != nil {
		return nil, err
	}
	// The agent's connection ends with its own context, so that what is over takes its rules away before it is cut.
	held, cut := context.WithCancel(context.WithoutCancel(ctx))
	a, err := s.on.NetworkAgent(held, c.ID, args)
	if err != nil {
		cut()
		return nil, err
	}
	said := &firstLine{seen: make(chan struct{})}
	var complaint bytes.Buffer
	over := make(chan error, 1)
	go func() { over <- a.Copy(said, &complaint) }()
	end := func(ctx context.Context) (string, error) {
		defer cut()
		stop := context.AfterFunc(ctx, cut)
		defer stop()
		_ = a.CloseWrite() // where that fails it has ended already
		code, err := a.ExitCode(ctx)
		if err == nil && code != 0 {
			unread := <-over // then all that it said is here
			err = errors.Join(fmt.Errorf("%s %s: %s", c.Name, f.Did(), strings.TrimSpace(complaint.String())), unread)
		}
		return fmt.Sprintf("free to %s:%d again", f.To, f.Port), err
	}
	select {
	case <-said.seen:
		return end, nil
	case <-ctx.Done():
		return end, context.Cause(ctx)
	case err := <-over:
		over <- err
		if _, failed := end(context.WithoutCancel(ctx)); failed != nil {
			err = failed
		}
		if err == nil {
			err = fmt.Errorf("%s %s: its agent ended at once", c.Name, f.Did())
		}
		return nil, err
	}
}

// args are the agent's.
func (f On) args(addresses []string) ([]string, error) {
	kind, attributes := f.Toxic.toxic()
	stream := "downstream"
	if f.Upstream {
		stream = "upstream"
	}
	toxicity := f.Toxicity
	if toxicity == 0 {
		toxicity = 1
	}
	toxic, err := json.Marshal(map[string]any{"name": "fault", "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes})
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(agent.Spec{Addresses: addresses, Port: f.Port, Toxic: toxic})
	return []string{agent.Command, string(spec)}, err
}

// addresses are those of a service's containers in the networks that a container is in as well.
func (s *scene) addresses(ctx context.Context, from planner.Container, to string) ([]string, error) {
	have, err := s.on.Observe(ctx, planner.Scope{Project: s.project})
	if err != nil {
		return nil, err
	}
	var out, there []string
	for _, c := range running(have, to) {
		for _, e := range c.Endpoints {
			there = append(there, e.Network)
			if !slices.ContainsFunc(from.Endpoints, func(own planner.Endpoint) bool { return own.Network == e.Network }) {
				continue
			}
			for _, address := range []string{e.IPv4, e.IPv6} {
				if address != "" {
					out = append(out, address)
				}
			}
		}
	}
	switch {
	case len(there) == 0:
		return nil, &MistakeError{fmt.Sprintf("no container of %s runs in a network", to), "bring it up with `muster up -d " + to + "`"}
	case len(out) == 0:
		slices.Sort(there)
		return nil, &MistakeError{fmt.Sprintf("%s does not reach %s, which is in another network", from.Name, to),
			fmt.Sprintf("%s is in %s: put %s there, too", to, list(slices.Compact(there)), from.Service)}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// firstLine says when something has been printed.
type firstLine struct {
	seen chan struct{}
	done bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.done {
		f.done = true
		close(f.seen)
	}
	return len(p), nil
}

var _ io.Writer = (*firstLine)(nil)
