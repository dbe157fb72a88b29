package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// policyFlags are the flags that decide what up, create, scale and plan bring
// about. Each command defines those that it has.
type policyFlags struct {
	build                                     buildWhen
	noBuild                                   bool
	pull, resolve                             string
	quietPull, quietBuild                     bool
	forceRecreate, noRecreate, alwaysRecreate bool
	noDeps, removeOrphans, renewVolumes       bool
	scale                                     []string
	timeout                                   seconds
	yes, drift, noDrift                       bool
	limit                                     impactLimit
	migrate                                   bool
	wait, noStart                             bool
	waitTimeout                               seconds
}

// defineImages adds what concerns images.
func (o *policyFlags) defineImages(f *pflag.FlagSet) {
	o.build.define(f)
	f.BoolVar(&o.noBuild, "no-build", false, "Build nothing; fail where an image is missing")
	f.StringVar(&o.pull, "pull", "policy", "`WHEN` to pull: always, missing, never, build, or policy for what the files say")
	f.BoolVar(&o.quietPull, "quiet-pull", false, "Pull without progress lines")
	f.StringVar(&o.resolve, "resolve-image", "changed", "`WHEN` a swarm looks up what images stand for: always, changed or never")
	_ = f.MarkHidden("resolve-image") // of no use but with a swarm: docs/swarm.md
}

// defineRecreate adds what decides whether containers are replaced.
func (o *policyFlags) defineRecreate(f *pflag.FlagSet) {
	f.BoolVar(&o.forceRecreate, "force-recreate", false, "Replace containers even where nothing changed")
	f.BoolVar(&o.noRecreate, "no-recreate", false, "Leave containers that exist as they are")
	f.BoolVar(&o.drift, "drift", false, "Look at each container for limits changed by hand, too")
	f.BoolVar(&o.migrate, "migrate-volumes", false, "Carry data over to volumes that are defined anew, and keep the old ones")
	f.BoolVar(&o.noDrift, "no-drift", false, "Leave alone what was changed by hand: limits, networks, names, what was stopped")
}

// defineScope adds what decides which containers there are.
func (o *policyFlags) defineScope(f *pflag.FlagSet) {
	f.StringArrayVar(&o.scale, "scale", nil, "Run N containers of a service: `SERVICE=N`")
	f.BoolVar(&o.removeOrphans, "remove-orphans", false, "Remove containers of services that the files no longer have")
}

// defineYes adds the answer to questions.
func (o *policyFlags) defineYes(f *pflag.FlagSet) {
	f.BoolVarP(&o.yes, "yes", "y", false, "Answer yes to every question")
}

// defineLimit adds the bound of what may be done.
func (o *policyFlags) defineLimit(f *pflag.FlagSet) {
	f.Var(&o.limit, "max-impact", "Refuse where a step does more than `IMPACT`: none, in-place, restart or replace")
}

// defineWait adds what decides how far containers are brought.
func (o *policyFlags) defineWait(f *pflag.FlagSet) {
	f.BoolVar(&o.wait, "wait", false, "Come back when all is ready; implies --detach")
	f.Var(&o.waitTimeout, "wait-timeout", "At most so many `SECONDS` for --wait")
	f.BoolVar(&o.noStart, "no-start", false, "Create the containers and do not start them")
}

// pair is two flags that do not go together.
type pair struct{ one, other string }

// refusePairs says which of the given flags do not go together.
func refusePairs(cmd *cobra.Command, pairs []pair) error {
	for _, p := range pairs {
		if cmd.Flags().Changed(p.one) && cmd.Flags().Changed(p.other) {
			return &usageError{problem: fmt.Sprintf("--%s and --%s are incompatible", p.one, p.other)}
		}
	}
	return nil
}

// policyPairs hold for every command that has these flags.
func policyPairs() []pair {
	return []pair{
		{"build", "no-build"},
		{"drift", "no-drift"},
		{"force-recreate", "no-recreate"},
		{"always-recreate-deps", "no-recreate"},
		{"renew-anon-volumes", "no-recreate"},
	}
}

// policy turns the flags into what the planner takes. want may be nil.
func (p *program) policy(want *project.Project, o policyFlags, services []string) (planner.Policy, error) {
	how := planner.Policy{
		Services: services, NoDeps: o.noDeps, AlwaysRecreateDeps: o.alwaysRecreate,
		Thorough: o.drift, IgnoreDrift: o.noDrift, RenewAnonVolumes: o.renewVolumes, Timeout: o.timeout.duration(),
		Build: o.build == buildAlways, Changed: o.build == buildChanged, NoBuild: o.noBuild, Now: p.now(),
		MigrateVolumes: o.migrate,
		NoStart:        o.noStart, Wait: o.wait, WaitTimeout: o.waitTimeout.value,
	}
	if how.Resolve = o.resolve; !slices.Contains([]string{"", "always", "changed", "never"}, o.resolve) {
		return how, &usageError{problem: fmt.Sprintf("invalid --resolve-image option %q", o.resolve), hint: "there are always, changed and never"}
	}
	switch {
	case o.forceRecreate, o.renewVolumes:
		how.Recreate = planner.RecreateAlways
	case o.noRecreate:
		how.Recreate = planner.RecreateNever
	}
	var err error
	if how.Pull, err = pullPolicy(o.pull); err != nil {
		return how, err
	}
	if how.Scale, err = scales(o.scale); err != nil {
		return how, err
	}
	if how.RemoveOrphans, how.IgnoreOrphans, err = p.orphans(want, o.removeOrphans); err != nil {
		return how, err
	}
	return withInputs(want, how)
}

// orphans is the policy about containers of services that are gone, from the
// flag or from the environment.
func (p *program) orphans(want *project.Project, flag bool) (remove, ignore bool, err error) {
	ignore, err = p.boolSetting(want, "COMPOSE_IGNORE_ORPHANS")
	if err != nil {
		return false, false, err
	}
	remove, err = p.boolSetting(want, "COMPOSE_REMOVE_ORPHANS")
	if err != nil {
		return false, false, err
	}
	remove = remove || flag
	if remove && ignore {
		return false, false, &usageError{problem: "COMPOSE_IGNORE_ORPHANS and --remove-orphans cannot be combined"}
	}
	return remove, ignore, nil
}

// boolSetting reads a switch from the environment; empty is off.
func (p *program) boolSetting(want *project.Project, key string) (bool, error) {
	text := p.setting(want, key)
	switch strings.ToLower(text) {
	case "", "0", "f", "false", "n", "no", "off":
		return false, nil
	case "1", "t", "true", "y", "yes", "on":
		return true, nil
	}
	return false, &usageError{problem: fmt.Sprintf("%s must be true or false (found: %q)", key, text)}
}

// pullPolicy checks --pull; "policy" leaves it to the services.
func pullPolicy(text string) (string, error) {
	switch text {
	case "", "policy":
		return "", nil
	case "if_not_present":
		return "missing", nil
	case "always", "missing", "never", "build":
		return text, nil
	}
	return "", &usageError{
		problem: fmt.Sprintf("invalid --pull option %q", text),
		hint:    "there are always, missing, never, build and policy",
	}
}

// scales reads SERVICE=N.
func scales(args []string) (map[string]int, error) {
	if len(args) == 0 {
		return nil, nil
	}
	out := map[string]int{}
	for _, arg := range args {
		name, number, ok := strings.Cut(arg, "=")
		n, err := strconv.Atoi(number)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, &usageError{problem: fmt.Sprintf("invalid scale %q", arg), hint: "write SERVICE=N, such as web=3"}
		}
		out[name] = n
	}
	return out, nil
}

// seconds is a flag that takes whole seconds, as docker compose does, or a
// duration with its unit; it knows whether it was given.
type seconds struct {
	value time.Duration
	given bool
}

// String is the flag's value as text.
func (s *seconds) String() string {
	if !s.given {
		return ""
	}
	return s.value.String()
}

// Set reads "10" or "1m30s".
func (s *seconds) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		s.value, s.given = time.Duration(n*float64(time.Second)), true
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a number of seconds", text)
	}
	s.value, s.given = d, true
	return nil
}

// Type names it in the help.
func (s *seconds) Type() string { return "seconds" }

// duration is nil where the flag was not given.
func (s *seconds) duration() *time.Duration {
	if !s.given {
		return nil
	}
	d := s.value
	if d < 0 { // docker's way to say: as long as it takes
		d = 1<<63 - 1
	}
	return &d
}
