package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// newHandler answers in plain text:
//
//	/                the container's name and the image's version
//	/hostname        the container's name
//	/env             all variables; /env/NAME is the value of one
//	/file/PATH       a file's content; PUT writes it
//	/args            the command line, an argument a line
//	/id              uid, gid and working directory
//	/remote          the address that the request came from
//	/resolve/NAME    the addresses of a name, sorted, a line each
//	/fetch?url=URL   what another server answers
//	/health          200 or 503; PUT with the body "true" or "false" decides it from then on
//	/exit/CODE       POST ends the program with this code
func newHandler(b behaviour, exits chan<- int) http.Handler {
	mux := http.NewServeMux()
	text := func(pattern string, answer func(*http.Request) (string, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := answer(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			_, _ = io.WriteString(w, body)
		})
	}
	text("GET /{$}", func(*http.Request) (string, error) {
		name, err := os.Hostname()
		return fmt.Sprintf("hello from %s, version %s\n", name, os.Getenv("VERSION")), err
	})
	text("GET /hostname", func(*http.Request) (string, error) { return os.Hostname() })
	text("GET /args", func(*http.Request) (string, error) { return strings.Join(os.Args, "\n") + "\n", nil })
	text("GET /id", func(*http.Request) (string, error) {
		dir, err := os.Getwd()
		return fmt.Sprintf("%d %d %s\n", os.Getuid(), os.Getgid(), dir), err
	})
	text("GET /remote", func(r *http.Request) (string, error) { return r.RemoteAddr, nil })
	text("GET /resolve/{name}", func(r *http.Request) (string, error) { return resolve(r.Context(), r.PathValue("name")) })
	text("GET /fetch", func(r *http.Request) (string, error) { return get(r.Context(), r.FormValue("url")) })
	text("PUT /file/{path...}", func(r *http.Request) (string, error) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return "", err
		}
		return "", os.WriteFile("/"+r.PathValue("path"), content, 0o644)
	})
	text("POST /exit/{code}", func(r *http.Request) (string, error) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err == nil {
			exits <- code
		}
		return "", err
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) { _ = printEnv(nil, w) })
	mux.HandleFunc("GET /env/{name}", func(w http.ResponseWriter, r *http.Request) {
		value, ok := os.LookupEnv(r.PathValue("name"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, value)
	})
	mux.HandleFunc("GET /file/{path...}", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile("/" + r.PathValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(content)
	})
	state := newHealthState(b.healthyAfter, b.unhealthyAfter)
	mux.HandleFunc("GET /health", state.show)
	mux.HandleFunc("PUT /health", state.set)
	return mux
}

// healthState is decided by the time since the start, until somebody sets it.
type healthState struct {
	from, until time.Time
	decided     atomic.Pointer[bool]
}

func newHealthState(from, until time.Duration) *healthState {
	now := time.Now()
	return &healthState{from: now.Add(from), until: now.Add(until)}
}

func (h *healthState) ok() bool {
	if decided := h.decided.Load(); decided != nil {
		return *decided
	}
	now := time.Now()
	return !now.Before(h.from) && now.Before(h.until)
}

func (h *healthState) show(w http.ResponseWriter, _ *http.Request) {
	if !h.ok() {
		http.Error(w, "not healthy", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "healthy\n")
}

func (h *healthState) set(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var ok bool
		if ok, err = strconv.ParseBool(strings.TrimSpace(string(body))); err == nil {
			h.decided.Store(&ok)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}
