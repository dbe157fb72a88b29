package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"
)

// noEnv is for commands that a run's variables must not reach, since they share its container.
func noEnv(string) (string, bool) { return "", false }

// get returns the body of url. Names are resolved anew on each call, so that a moved name is noticed.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("get %s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

// resolve returns the addresses of name, sorted, a line each.
func resolve(ctx context.Context, name string) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return "", err
	}
	sort.Strings(addresses)
	return strings.Join(addresses, "\n") + "\n", nil
}

func fetchCommand(args []string, stdout, stderr io.Writer) error {
	set := flags("fetch", stderr)
	patience := set.Duration("retry", 0, "try again for so long")
	timeout := set.Duration("timeout", 5*time.Second, "give up one try after this")
	if err := parse(set, args, noEnv); err != nil {
		return err
	}
	ctx, stop := untilTerminated()
	defer stop()
	for _, url := range set.Args() {
		body, err := getPatiently(ctx, url, *patience, *timeout)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, body); err != nil {
			return err
		}
	}
	return nil
}

func getPatiently(ctx context.Context, url string, patience, timeout time.Duration) (string, error) {
	give := time.Now().Add(patience)
	for {
		try, cancel := context.WithTimeout(ctx, timeout)
		body, err := get(try, url)
		cancel()
		if err == nil || ctx.Err() != nil || !time.Now().Before(give) {
			return body, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func resolveCommand(names []string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, name := range names {
		addresses, err := resolve(ctx, name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, addresses); err != nil {
			return err
		}
	}
	return nil
}
