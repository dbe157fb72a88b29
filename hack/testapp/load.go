package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// load is a client that asks at an even pace, whatever becomes of the requests before, and counts. Without -keep each
// request resolves the name anew and, as clients do, tries one address after the other until somebody answers there; with -first
// it goes to the first one only.
type load struct {
	client *http.Client

	mu  sync.Mutex
	sum loadSum
}

// loadSum is what load prints, as JSON.
type loadSum struct {
	Sent    int            `json:"sent"`
	Failed  int            `json:"failed"`
	Slowest int64          `json:"slowest_ms"` // of the answered ones
	Errors  map[string]int `json:"errors,omitempty"`
}

func loadCommand(args []string, stdout, stderr io.Writer) error {
	set := flags("load", stderr)
	rate := set.Int("rate", 200, "requests a second")
	duration := set.Duration("duration", 10*time.Second, "ask for so long, or until SIGTERM")
	timeout := set.Duration("timeout", time.Second, "give up a request after this")
	keep := set.Bool("keep", false, "keep connections for the next request")
	first := set.Bool("first", false, "try the first address of a name only")
	if err := parse(set, args, noEnv); err != nil {
		return err
	}
	if set.NArg() != 1 || *rate < 1 {
		return errors.New("load wants one URL, and a rate of at least 1")
	}
	ctx, stop := untilTerminated()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: !*keep, MaxIdleConnsPerHost: *rate}
	if *first {
		transport.DialContext = dialFirst
	}
	l := load{client: &http.Client{Timeout: *timeout, Transport: transport}}
	l.run(ctx, set.Arg(0), time.Second/time.Duration(*rate))
	return json.NewEncoder(stdout).Encode(l.sum)
}

func (l *load) run(ctx context.Context, url string, pace time.Duration) {
	var all sync.WaitGroup
	defer all.Wait()
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			all.Go(func() { l.ask(url) })
		}
	}
}

func (l *load) ask(url string) {
	began := time.Now()
	response, err := l.client.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err == nil && response.StatusCode >= http.StatusBadRequest {
			err = errors.New(response.Status)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.Sent++
	if err == nil {
		l.sum.Slowest = max(l.sum.Slowest, time.Since(began).Milliseconds())
		return
	}
	l.sum.Failed++
	if l.sum.Errors == nil {
		l.sum.Errors = map[string]int{}
	}
	l.sum.Errors[reason(err)]++
}

// reason is an error without the port that the client had: one line for all that failed alike.
func reason(err error) string {
	var network *net.OpError
	switch {
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

func dialFirst(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, net.JoinHostPort(found[0], port))
}
