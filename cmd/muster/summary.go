package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// sums says whether there is a summary.
func sums(l look) bool { return l.mode != "quiet" && l.mode != "json" }

// printUpSummary says that the stack is up, and where it is reached.
func (p *program) printUpSummary(on engine, want *project.Project, how planner.Policy, l look, went brought) error {
	if !sums(l) {
		return nil
	}
	containers := 0
	for _, s := range want.Services {
		containers += replicas(s, how)
	}
	if went.have.Converges {
		containers = deployedCount(went.plan)
	}
	stack := fmt.Sprintf("%s, %s", count(len(want.Services), "service"), count(containers, "container"))
	if len(went.plan.Steps) == 0 {
		fmt.Fprintf(l.status, "%s: up to date (%s).\n", want.Name, stack)
		return nil
	}
	now := p.now()
	word := "is up"
	var fallen []planner.Container
	switch {
	case how.NoStart:
		word = "is created"
	case !how.Wait:
		// Nobody has waited to see whether it keeps running. One look is cheap, and tells of what ended at once.
		have, err := went.after()
		if err != nil {
			return err
		}
		if fallen = fallenOf(went.plan, have); len(fallen) > 0 {
			word = "was started, but not all of it runs"
		}
	}
	line := fmt.Sprintf("%s %s: %s, %s", want.Name, word, stack, seconds1(now.Sub(went.board.began)))
	if name, took := went.board.slowest(now); name != "" && len(want.Services) > 1 {
		line += fmt.Sprintf("   (slowest: %s %s%s)", name, seconds1(took), timelineHint(took))
	}
	fmt.Fprintln(l.status, line)
	if how.NoStart {
		return nil
	}
	for _, c := range fallen {
		fmt.Fprintf(l.status, "  %s  %s; `muster logs %s` shows what it said\n", c.Service, fallenText(c), c.Service)
	}
	at, err := addresses(runner.HostName(on.Host()), want, went.after)
	if err != nil {
		return err
	}
	width := 0
	for _, a := range at {
		width = max(width, len(a.service))
	}
	for _, a := range at {
		fmt.Fprintf(l.status, "  %-*s  %s\n", width, a.service, a.text)
	}
	return nil
}

// timelineHint points to where the time went, once there was enough of it to mind.
func timelineHint(took time.Duration) string {
	const long = 2 * time.Second
	if took < long {
		return ""
	}
	return ", see `muster timeline`"
}

// fallenOf are the containers that a plan has started and that have failed since.
func fallenOf(plan planner.Plan, have planner.State) []planner.Container {
	started := map[string]bool{}
	for _, s := range plan.Steps {
		switch a := s.Action.(type) {
		case planner.StartContainer:
			started[a.Name] = true
		case planner.RestartContainer:
			started[a.Name] = true
		case planner.RenameContainer:
			started[a.To] = started[a.To] || started[a.Name]
		}
	}
	return slices.DeleteFunc(slices.Clone(have.Containers), func(c planner.Container) bool {
		failed := c.Status == planner.Exited && c.ExitCode != 0 || c.Status == planner.Restarting || c.Status == planner.Dead
		return !started[c.Name] || c.OneOff || !failed
	})
}

func fallenText(c planner.Container) string {
	if c.Status == planner.Restarting {
		return c.Name + " has ended, and the engine restarts it"
	}
	return fmt.Sprintf("%s has exited with code %d", c.Name, c.ExitCode)
}

// published is a service and where it is reached.
type published struct{ service, text string }

// addresses are what the services publish on a host. Only where the engine chose a port itself somebody has to look at it.
func addresses(host string, want *project.Project, look func() (planner.State, error)) ([]published, error) {
	var out []published
	chosen := false
	for _, name := range serviceNames(want) {
		for _, port := range want.Services[name].Ports {
			if n, err := strconv.Atoi(port.Published); err == nil && n > 0 {
				out = append(out, published{name, addressOf(host, port.HostIP, n, int(port.Target), port.Protocol, port.AppProtocol)})
			} else {
				chosen = true
			}
		}
	}
	if !chosen {
		return slices.Compact(out), nil
	}
	have, err := look()
	if err != nil {
		return nil, err
	}
	out = nil
	for _, c := range have.Containers {
		if _, ok := want.Services[c.Service]; !ok || c.OneOff {
			continue
		}
		for _, port := range c.Ports {
			if port.Published > 0 && port.HostIP != "::" {
				out = append(out, published{c.Service, addressOf(host, port.HostIP, port.Published, port.Target, port.Protocol, "")})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b published) int { return strings.Compare(a.service, b.service) })
	return slices.Compact(out), nil
}

// addressOf writes a published port as something to click on where it speaks HTTP.
func addressOf(host, ip string, port, target int, protocol, app string) string {
	text := net.JoinHostPort(runner.ReachedAt(host, ip), strconv.Itoa(port))
	switch {
	case protocol == "udp" || protocol == "sctp":
		return text + "/" + protocol
	case app == "https" || app == "" && (target == 443 || target == 8443):
		return "https://" + text
	case app == "http" || app == "http2" || app == "" && speaksHTTP(target):
		return "http://" + text
	}
	return text
}

// speaksHTTP says whether a port in a container usually is a web server's.
func speaksHTTP(port int) bool {
	switch port {
	case 80, 4200, 5000, 5173, 5601, 8025, 9090, 9200, 15672:
		return true
	}
	return port >= 3000 && port <= 3005 || port >= 8000 && port <= 8999
}
