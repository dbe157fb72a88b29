package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// examiner tells how an engine is.
type examiner interface {
	Checkup(ctx context.Context) (docker.Checkup, error)
	// PortUser says who has a port of the engine's machine, other than the project; empty for nobody.
	PortUser(ctx context.Context, project string, p planner.Port) (string, error)
}

func (p *program) doctorCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "doctor", GroupID: groupMore,
		Short: "Look for what would keep muster from working",
		Long: `Look for what would keep muster from working: the engine, its disk, logins, the files and their ports.
Each line is fine, or says how to mend it. The exit code is 1 if something does not work.`,
		Example: `  muster doctor
  muster doctor -H ssh://me@example.com
  muster doctor --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context(), format) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&format, "format", "text", "`FORMAT`: text, or json for an object a line")
	})
	return cmd
}

// finding is a line of doctor's report.
type finding struct {
	What  string `json:"what"`
	State string `json:"state"` // ok, warning, problem or unknown
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// The states of findings.
const (
	fine     = "ok"
	doubtful = "warning"
	bad      = "problem"
	unknown  = "unknown"
)

// doctor is the command.
func (p *program) doctor(ctx context.Context, format string) error {
	if err := checkFormat(format, "text", "json"); err != nil {
		return err
	}
	want, files := p.examineFiles(ctx)
	findings := append(p.examineEngine(ctx, want), files...)
	problems := 0
	for _, f := range findings {
		if f.State == bad {
			problems++
		}
		if format == "json" {
			if err := encodeLine(p.out, f); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.out, "%-8s %-11s %s\n", f.State, f.What, f.Text)
		for line := range strings.Lines(f.Hint) {
			fmt.Fprintf(p.out, "%-20s %s\n", "", strings.TrimSpace(line))
		}
	}
	if problems > 0 {
		return &exitError{code: exitFailed, cause: errors.New(count(problems, "problem"))}
	}
	return nil
}

// examineFiles reads the files; want is nil where they cannot be read, or where there are none.
func (p *program) examineFiles(ctx context.Context) (want *project.Project, _ []finding) {
	want, err := project.Load(ctx, p.loadOptions(loading{mayMiss: true}))
	switch {
	case errors.Is(err, project.ErrNoFile):
		return nil, []finding{{"files", unknown, "there is no Compose file here", ""}}
	case err != nil:
		return nil, []finding{{"files", bad, "the files have mistakes", err.Error()}}
	}
	f := finding{What: "files", State: fine, Text: fmt.Sprintf("%s: %s", want.Name, count(len(want.Services), "service"))}
	if n := len(want.Warnings); n > 0 {
		f.State, f.Hint = doubtful, "`muster config -q` shows them"
		f.Text += ", " + count(n, "warning")
	}
	return want, []finding{f}
}

// examineEngine looks at the engine, and at what the files want of it.
func (p *program) examineEngine(ctx context.Context, want *project.Project) []finding {
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return []finding{{"engine", bad, err.Error(), hintOf(err)}}
	}
	defer on.Close()
	c, err := on.Checkup(ctx)
	if err != nil {
		return []finding{{"engine", bad, err.Error(), hintOf(err)}}
	}
	out := append(engineFindings(c), loginFindings(c)...)
	if want != nil {
		out = append(out, portFindings(ctx, on, want)...)
	}
	return out
}

const (
	tightDisk = 10 // percent that is free: less is a warning
	fullDisk  = 1  // less is a problem
)

// engineFindings judge an engine.
func engineFindings(c docker.Checkup) []finding {
	engine := finding{"engine", fine, fmt.Sprintf("%s at %s, API %s", c.Engine.Name, c.Host, c.Engine.API), ""}
	if c.Rootless {
		engine.Text += ", rootless"
	}
	if c.TooOld() {
		engine.State, engine.Hint = bad, "muster needs API "+docker.MinAPI+": update the engine"
	}
	builds := finding{"builds", fine, "by the engine's BuildKit", ""}
	if !c.BuildKit {
		builds.State, builds.Text = doubtful, "by the classic builder: no secrets, ssh or additional contexts"
	}
	groups := finding{"cgroups", fine, "version " + cmp.Or(c.CgroupVersion, "unknown"), ""}
	if c.CgroupVersion == "1" {
		groups.State, groups.Hint = doubtful, "boot with systemd.unified_cgroup_hierarchy=1: version 2 keeps limits more exactly"
	}
	disk := finding{"disk", unknown, "the engine's disk cannot be looked at from here", ""}
	if c.Size > 0 {
		percent := c.Free * 100 / c.Size
		disk.State = fine
		disk.Text = fmt.Sprintf("%s of %s free at %s (%d%%)", units.BytesSize(float64(c.Free)), units.BytesSize(float64(c.Size)), c.Root, percent)
		switch {
		case percent < fullDisk:
			disk.State = bad
		case percent < tightDisk:
			disk.State = doubtful
		}
		if disk.State != fine {
			disk.Hint = "`docker system df` shows what takes the space, `docker system prune` frees what nothing uses"
		}
	}
	out := []finding{engine, builds, groups, disk}
	for _, w := range c.Warnings {
		out = append(out, finding{"engine", doubtful, strings.TrimPrefix(w, "WARNING: "), ""})
	}
	return out
}

// loginFindings tell which registries somebody has logged in to.
func loginFindings(c docker.Checkup) []finding {
	switch {
	case c.LoginsError != "":
		return []finding{{"registries", bad, "the credentials cannot be read: " + c.LoginsError, "look at credsStore and credHelpers in docker's config.json"}}
	case len(c.Logins) == 0:
		return []finding{{"registries", fine, "no logins: only public images can be pulled", ""}}
	}
	return []finding{{"registries", fine, "logged in to " + strings.Join(c.Logins, ", "), ""}}
}

// portFindings look for fixed ports that somebody else has.
func portFindings(ctx context.Context, on examiner, want *project.Project) []finding {
	var out []finding
	asked := 0
	for _, name := range serviceNames(want) {
		for _, port := range want.Services[name].Ports {
			published, err := strconv.Atoi(port.Published)
			if err != nil || published == 0 { // a range, or any that is free
				continue
			}
			asked++
			user, err := on.PortUser(ctx, want.Name, planner.Port{
				HostIP: port.HostIP, Published: published, Target: int(port.Target), Protocol: cmp.Or(port.Protocol, "tcp"),
			})
			switch {
			case err != nil:
				out = append(out, finding{"ports", bad, err.Error(), hintOf(err)})
			case user != "":
				out = append(out, finding{"ports", bad, fmt.Sprintf("%d of %s is taken by %s", published, name, user), "stop it, or publish another port"})
			}
		}
	}
	if len(out) == 0 && asked > 0 {
		out = append(out, finding{"ports", fine, count(asked, "port") + " to publish, free or ours", ""})
	}
	return out
}
