package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/healthcheck"
)

const (
	// connectTime bounds one try to connect to a container's own address: where nothing answers at all,
	// there has to be time for another way.
	connectTime = time.Second
	// holdTime is how long a published port has to stay open. What publishes it accepts every
	// connection, and closes those that the container refuses.
	holdTime = 100 * time.Millisecond
)

// errNoShell is the answer of a container whose image has no shell.
var errNoShell = errors.New("the image has no shell")

func failed(text string) healthcheck.ProbeResult {
	return healthcheck.ProbeResult{ExitCode: 1, Output: text}
}

// probeTCP asks whether a container accepts connections to a port.
func (e *Engine) probeTCP(ctx context.Context, name string, port int) (healthcheck.ProbeResult, error) {
	w, err := e.waysTo(ctx, name)
	if err != nil {
		return healthcheck.ProbeResult{}, err
	}
	refused := error(nil)
	for _, address := range w.direct {
		conn, err := dialFor(ctx, connectTime, net.JoinHostPort(address, strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return healthcheck.ProbeResult{}, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused = err
		}
	}
	if refused != nil {
		return failed("connection refused"), nil
	}
	result, err := e.listens(ctx, w, port)
	if !errors.Is(err, errNoShell) {
		return result, err
	}
	if address := w.published[port]; address != "" {
		return holdsOpen(ctx, address), nil
	}
	return result, noWay(port, noShell)
}

func dialFor(ctx context.Context, bound time.Duration, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: bound}
	return d.DialContext(ctx, "tcp", address)
}

// holdsOpen asks by a published port.
func holdsOpen(ctx context.Context, address string) healthcheck.ProbeResult {
	conn, err := dialFor(ctx, connectTime, address)
	if err != nil {
		return failed(shortNetError(err))
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(holdTime))
	var late net.Error
	switch _, err := conn.Read(make([]byte, 1)); {
	case err == nil, errors.As(err, &late) && late.Timeout():
		return healthcheck.ProbeResult{}
	}
	return failed("the published port is closed at once")
}

// listenScript looks the listening sockets up where the kernel lists them, with nothing but a shell's own
// commands: $1 is the port in hexadecimal, $2 is set when the loopback counts.
const listenScript = `for f in /proc/net/tcp /proc/net/tcp6; do
  [ -r $f ] || continue
  while read -r n at to state more; do
    [ "$state" = 0A ] || continue
    case "$at" in
      *:$1) ;;
      *) continue ;;
    esac
    case "$2$at" in
      ??????7F:*|00000000000000000000000001000000:*) continue ;;
    esac
    exit 0
  done < $f
done
exit 1`

// listens asks by a shell in the container.
func (e *Engine) listens(ctx context.Context, w ways, port int) (healthcheck.ProbeResult, error) {
	loopback := ""
	if w.loopback {
		loopback = "counts"
	}
	code, _, err := e.script(ctx, w.container, listenScript, fmt.Sprintf("%04X", port), loopback)
	switch {
	case err != nil:
		return healthcheck.ProbeResult{}, err
	case code == 0:
		return healthcheck.ProbeResult{}, nil
	}
	return failed("nothing listens"), nil
}

// script runs a script with arguments by the shell of a container; errNoShell where it has none.
func (e *Engine) script(ctx context.Context, name, script string, args ...string) (int, string, error) {
	var out limited
	command := append([]string{"/bin/sh", "-c", script, "probe"}, args...)
	code, err := e.run(ctx, name, container.ExecOptions{Cmd: command}, &out)
	if err != nil {
		if ctx.Err() == nil && lacksProgram(err.Error()) {
			return 0, "", errNoShell
		}
		return 0, "", e.wrap(ctx, err, "probe container", name)
	}
	text := out.kept.String()
	if code == 126 || code == 127 { // the scripts themselves end so never
		return code, text, errNoShell
	}
	return code, text, nil
}

// lacksProgram recognises the engines' words for a program that is not in the image.
func lacksProgram(text string) bool {
	for _, words := range []string{"executable file not found", "no such file or directory", "executable file `/bin/sh` not found"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// probeHTTP asks whether a container answers a request.
func (e *Engine) probeHTTP(ctx context.Context, name string, h healthcheck.HTTPCheck) (healthcheck.ProbeResult, error) {
	w, err := e.waysTo(ctx, name)
	if err != nil {
		return healthcheck.ProbeResult{}, err
	}
	var last error
	for _, address := range w.direct {
		var status int
		if status, last = askHTTP(ctx, net.JoinHostPort(address, strconv.Itoa(h.Port)), h); last == nil {
			return judged(h, status), nil
		}
	}
	if last != nil && (ctx.Err() != nil || errors.Is(last, syscall.ECONNREFUSED) || errors.Is(last, io.EOF)) {
		return failed(shortNetError(last)), nil
	}
	status, err := e.fetches(ctx, w, h)
	if err == nil {
		return judged(h, status), nil
	}
	noTool := errors.Is(err, errNoShell) || errors.As(err, new(*healthcheck.CannotCheck))
	if address := w.published[h.Port]; noTool && address != "" {
		if status, last = askHTTP(ctx, address, h); last == nil {
			return judged(h, status), nil
		}
	}
	switch {
	case noTool && last != nil:
		return failed(shortNetError(last)), nil
	case errors.Is(err, errNoShell):
		return healthcheck.ProbeResult{}, noWay(h.Port, noShell)
	}
	return healthcheck.ProbeResult{}, err
}

func judged(h healthcheck.HTTPCheck, status int) healthcheck.ProbeResult {
	switch {
	case status == 0:
		return failed("no answer")
	case h.Accepts(status):
		return healthcheck.ProbeResult{}
	}
	return failed(strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))))
}

// askHTTP sends the request and gives the status. It follows no redirect: what counts is the container's own answer.
func askHTTP(ctx context.Context, address string, h healthcheck.HTTPCheck) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+h.Path, nil)
	if err != nil {
		return 0, err
	}
	req.Host = "localhost:" + strconv.Itoa(h.Port)
	req.Header.Set("User-Agent", "muster")
	for name, value := range h.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialFor(ctx, connectTime, address)
		},
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// shortNetError is the last part of a network error, which is the one that says something.
func shortNetError(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed without an answer"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+1:]
}

// fetchScript makes a request with what the image has: $1 is the URL, $2 the host, $3 the port, $4 the
// path; the rest are headers, a word each. It prints the line with the status, among others.
const fetchScript = `url=$1 host=$2 port=$3 path=$4; shift 4
if command -v curl >/dev/null 2>&1; then
  n=$#
  for h; do set -- "$@" -H "$h"; done
  shift $n
  curl -s -o /dev/null -m 9 -w 'HTTP/1.1 %{http_code}\n' "$@" "$url"
elif command -v wget >/dev/null 2>&1; then
  n=$#
  for h; do set -- "$@" --header "$h"; done
  shift $n
  limit=; if command -v timeout >/dev/null 2>&1; then limit='timeout 9'; fi
  $limit wget -S -O /dev/null "$@" "$url" 2>&1
elif command -v bash >/dev/null 2>&1; then
  bash -c 'host=$1 port=$2 path=$3; shift 3
    exec 3<>"/dev/tcp/$host/$port" || exit 1
    printf "GET %s HTTP/1.0\r\n" "$path" >&3
    for h; do printf "%s\r\n" "$h" >&3; done
    printf "\r\n" >&3; read -r line <&3; echo "$line"' bash "$host" "$port" "$path" "$@"
else
  exit 99
fi
exit 0`

// statusLine finds the status in what the tools print.
var statusLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`HTTP/[0-9.]+ ([0-9]{3})`) })

// fetches asks by a shell in the container; 0 is no answer.
func (e *Engine) fetches(ctx context.Context, w ways, h healthcheck.HTTPCheck) (int, error) {
	port := strconv.Itoa(h.Port)
	args := []string{"http://" + net.JoinHostPort(w.inside, port) + h.Path, w.inside, port, h.Path}
	host := "Host: localhost:" + port
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		if strings.EqualFold(name, "Host") {
			host = ""
		}
		args = append(args, name+": "+h.Headers[name])
	}
	if host != "" {
		args = append(args, host)
	}
	code, text, err := e.script(ctx, w.container, fetchScript, args...)
	if err != nil {
		return 0, err
	}
	if code == 99 {
		return 0, noWay(h.Port, "its image has neither curl nor wget nor bash")
	}
	// The first one is the container's own; what follows are redirects.
	if found := statusLine().FindStringSubmatch(text); found != nil {
		return strconv.Atoi(found[1])
	}
	return 0, nil
}
