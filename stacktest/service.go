package stacktest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// Endpoint is where a TCP port of a service is reached from the test, as host:port. The port is the container's. Of several containers it
// is the first one that runs. A service that was stopped and started may be found at another one.
func (s *Stack) Endpoint(service string, port int) string {
	s.t.Helper()
	c := s.running(service)
	ports := slices.SortedFunc(slices.Values(c.Ports), func(a, b planner.Port) int { return strings.Compare(a.HostIP, b.HostIP) })
	for _, p := range ports {
		if p.Target == port && p.Published > 0 && p.Protocol == "tcp" {
			return net.JoinHostPort(runner.ReachedAt(runner.HostName(s.s.on.Host()), p.HostIP), strconv.Itoa(p.Published))
		}
	}
	s.t.Fatalf("%s: %s does not publish port %d\n  add it to `ports:` of the service, or the option stacktest.Publish(%q, %d)",
		s.s.o.files[0], service, port, service, port)
	return ""
}

// URL is the address of a port as a URL without a path, such as http://localhost:20080. What is spoken there is what
// app_protocol of the port says in the file, else what its number usually stands for, else HTTP.
func (s *Stack) URL(service string, port int) string {
	s.t.Helper()
	at := s.Endpoint(service, port)
	app := ""
	for _, p := range s.s.want.Services[service].Ports {
		if int(p.Target) == port {
			app = cmp.Or(app, p.AppProtocol)
		}
	}
	return project.Scheme(port, app) + "://" + at
}

// Result is what came of a command.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Exec runs a command in the first container of a service that runs, and gives what it has printed on its standard output. Where it ends with another
// code than 0, the test ends with what it has printed.
func (s *Stack) Exec(service string, command ...string) string {
	s.t.Helper()
	r := s.TryExec(service, command...)
	if r.Code != 0 {
		s.t.Fatalf("%s: `%s` ended with code %d\n%s", service, strings.Join(command, " "), r.Code, r.Stdout+r.Stderr)
	}
	return r.Stdout
}

// TryExec is Exec for commands that may fail.
func (s *Stack) TryExec(service string, command ...string) Result {
	s.t.Helper()
	c := s.running(service)
	ctx, cancel := timeOf(s.t)
	defer cancel()
	var out, errs bytes.Buffer
	code, err := s.s.on.Exec(ctx, c.Name, command, &out, &errs)
	if err != nil {
		s.t.Fatalf("%s: run `%s`: %s", service, strings.Join(command, " "), told(err))
	}
	return Result{Code: code, Stdout: out.String(), Stderr: errs.String()}
}

// Logs is all that the containers of a service have printed so far, those of several one after another.
func (s *Stack) Logs(service string) string {
	s.t.Helper()
	s.known(service)
	ctx, cancel := timeOf(s.t)
	defer cancel()
	var b strings.Builder
	all, err := s.s.containers(ctx, service)
	for _, c := range all {
		var text string
		if text, err = s.s.logs(ctx, c.Name, 0); err != nil {
			break
		}
		b.WriteString(text)
	}
	if err != nil {
		s.t.Fatalf("%s: read the logs: %s", service, told(err))
	}
	return b.String()
}

// Stop stops services as `muster stop` does: they have the time to end that the file gives them.
func (s *Stack) Stop(services ...string) {
	s.t.Helper()
	s.change("stop", services, planner.Policy{}, planner.Stop)
}

// Start starts services that were stopped, and waits until they are ready.
func (s *Stack) Start(services ...string) {
	s.t.Helper()
	s.change("start", services, planner.Policy{Wait: true, WaitTimeout: s.s.o.wait}, planner.Start)
}

// Pause halts services where they are: connections stay, and nothing answers.
func (s *Stack) Pause(services ...string) {
	s.t.Helper()
	s.change("pause", services, planner.Policy{}, planner.Pause)
}

// Unpause lets services go on that were paused.
func (s *Stack) Unpause(services ...string) {
	s.t.Helper()
	s.change("unpause", services, planner.Policy{}, planner.Unpause)
}

// change does something to services, all of them where none is named.
func (s *Stack) change(
	verb string, services []string, how planner.Policy, plans func(*project.Project, planner.State, planner.Policy) (planner.Plan, error),
) {
	s.t.Helper()
	for _, name := range services {
		s.known(name)
	}
	ctx, cancel := timeOf(s.t)
	defer cancel()
	how.Services = services
	if err := s.s.change(ctx, how, plans); err != nil {
		s.t.Fatalf("%s %s: %s", verb, strings.Join(services, ", "), told(err))
	}
}

// known ends the test where the stack has no such service.
func (s *Stack) known(service string) {
	s.t.Helper()
	if _, there := s.s.want.Services[service]; !there {
		s.t.Fatalf("%s: no such service: %s; %s", s.s.o.files[0], service, listed(slices.Sorted(maps.Keys(s.s.want.Services))))
	}
}

// running is the first container of a service that runs.
func (s *Stack) running(service string) planner.Container {
	s.t.Helper()
	s.known(service)
	ctx, cancel := timeOf(s.t)
	defer cancel()
	all, err := s.s.containers(ctx, service)
	if err != nil {
		s.t.Fatalf("%s: look at %s: %s", s.s.o.files[0], service, told(err))
	}
	slices.SortStableFunc(all, func(a, b planner.Container) int { return cmp.Compare(a.Number, b.Number) })
	for _, c := range all {
		if c.Status == planner.Running || c.Status == planner.Paused {
			return c
		}
	}
	s.t.Fatalf("%s: service %s is not running", s.s.o.files[0], service)
	return planner.Container{}
}

// logs is what a container has printed, or the last lines of it.
func (s *session) logs(ctx context.Context, container string, tail int) (string, error) {
	var b strings.Builder
	err := s.on.Logs(ctx, container, tail, func(line []byte, more bool) error {
		b.Write(line)
		if !more {
			b.WriteByte('\n')
		}
		return nil
	})
	if err != nil {
		return b.String(), fmt.Errorf("read the log of %s: %w", container, err)
	}
	return b.String(), nil
}
