package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/project"
)

// instances is where the host ports of instances are kept, of this user on this machine, for the engine that is used. Without
// a home folder nothing is kept, and ports are calculated.
func (p *program) instances() instance.Registry {
	dir, err := p.stateDir()
	if err != nil {
		return ""
	}
	return instance.Registry(filepath.Join(dir, "instances"))
}

// hostPorts chooses the host ports of an instance. Commands that only look take no ports.
func (p *program) hostPorts(look bool) func(project.Copy, []project.HostPort) ([]int, error) {
	if look {
		return p.instances().Peek
	}
	free := instance.Listening
	if p.elsewhere() {
		free = nil
	}
	return func(of project.Copy, fixed []project.HostPort) ([]int, error) {
		return p.instances().Ports(of, p.now(), fixed, free)
	}
}

// leased gives an instance the time that it has; see [instance.Lease].
func (p *program) leased(want *project.Project) {
	if want.Instance == "" {
		return
	}
	if record, there := p.instances().Find(want.Name); there {
		want.Expires = record.Expires
	}
}

// located notes the engine that an instance is brought up on, so that gc on another one leaves it alone.
func (p *program) located(ctx context.Context, on projectLister, want *project.Project) error {
	if want.Instance == "" {
		return nil
	}
	id, err := on.ID(ctx)
	if err != nil {
		return err
	}
	return p.instances().On(want.Copy(), id)
}

// expiry is the value of --expires: a period from now on, or never. It knows whether it was given.
type expiry struct {
	after time.Duration
	given bool
}

func (e *expiry) String() string {
	if !e.given {
		return ""
	}
	return e.after.String()
}

// Set reads "2h", "7d" or "never".
func (e *expiry) Set(text string) error {
	e.given = true
	if text == "never" {
		return nil
	}
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		e.after = time.Duration(n * 24 * float64(time.Hour))
	} else {
		e.after, err = time.ParseDuration(text)
	}
	if err != nil || e.after <= 0 {
		return fmt.Errorf("%q is no period: write 2h, 30m, 7d or never", text)
	}
	return nil
}

// Type names it in the help.
func (e *expiry) Type() string { return "period" }

// expire gives an instance the time that --expires says.
func (p *program) expire(want *project.Project, e expiry) error {
	if !e.given {
		return nil
	}
	if want.Instance == "" {
		return &usageError{problem: "--expires is for instances, and this is the first copy of the stack, which gc never removes",
			hint: "give the copy a name: --instance NAME, or MUSTER_INSTANCE"}
	}
	want.Expires = time.Time{}
	if e.after > 0 {
		want.Expires = p.now().Add(e.after).Truncate(time.Second)
	}
	if p.globals.dryRun {
		return nil
	}
	return p.instances().Expire(want.Copy(), want.Expires)
}

// elsewhere says whether the engine may be on another machine, so that it says nothing about its ports whether they are free here.
func (p *program) elsewhere() bool {
	at := p.globals.at
	if at.context != "" && at.context != "default" || at.context == "" && at.host == "" && p.getenv("DOCKER_CONTEXT") != "" {
		return true
	}
	host := at.host
	if host == "" {
		host = p.getenv("DOCKER_HOST")
	}
	return strings.HasPrefix(host, "ssh:") || strings.HasPrefix(host, "tcp:")
}
