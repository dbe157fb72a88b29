package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// globals are the flags of muster itself.
type globals struct {
	files         []string
	name          string
	instance      string
	target        string
	profiles      []string
	envFiles      []string
	dir           string
	parallel      int
	progress      string
	ansi          string
	noANSI        bool
	compatibility bool
	allResources  bool
	dryRun        bool
	strict        bool
	probe         string
	noWait        bool
	at            address
	profilesOf    profiles // where muster's own use of time and memory is written
}

// address says which engine to reach; empty fields leave it to the environment
// and to docker's configuration.
type address struct {
	host    string // -H: such as ssh://me@example.com
	context string // -c: the name of a docker context
	// dial is a command that connects to the engine; docker names it to its plugins.
	dial []string
	// builder is the name of a builder of buildx; empty is the current one.
	builder string
	// target is the kind of engine, one of project.Targets; empty is docker.
	target string
}

// define adds the global flags to a set.
func (g *globals) define(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVarP(&g.files, "file", "f", nil, "Compose `FILE`; may be given more than once, - is standard input")
	f.StringVarP(&g.name, "project-name", "p", "", "`NAME` of the project")
	f.StringVar(&g.instance, "instance", "", "Work on the copy of the stack called `NAME`; auto is that of the git worktree")
	f.StringVar(&g.target, "target", "", "`KIND` of engine: docker, or swarm for Docker's swarm mode")
	f.StringArrayVar(&g.profiles, "profile", nil, "Activate the services of profile `NAME`")
	f.StringArrayVar(&g.envFiles, "env-file", nil, "Read variables from `FILE` instead of .env")
	f.StringVar(&g.dir, "project-directory", "", "`FOLDER` that relative paths start from")
	f.BoolVar(&g.dryRun, "dry-run", false, "Print the plan and change nothing")
	f.BoolVar(&g.noWait, "no-wait", false, "Fail where somebody else is changing the project, and do not wait")
	f.BoolVar(&g.strict, "strict", false, "Refuse keys that the engine does not honour")
	f.StringVar(&g.progress, "progress", "", "`HOW` to report: auto, tty, plain, json or quiet")
	f.StringVar(&g.ansi, "ansi", "auto", "`WHEN` to colour and to move the cursor: auto, always or never")
	f.IntVar(&g.parallel, "parallel", -1, "At most `N` engine calls at a time; without it, as many as turn out best")
	f.StringVar(&g.probe, "probe", "muster", "`WHO` runs health checks while muster waits: muster too, or the engine alone")
	f.StringVarP(&g.at.host, "host", "H", "", "`URL` of the engine, such as ssh://me@example.com")
	f.StringVarP(&g.at.context, "context", "c", "", "`NAME` of the docker context to use")
	f.BoolVar(&g.allResources, "all-resources", false, "Keep networks and volumes that no service uses")
	f.BoolVar(&g.compatibility, "compatibility", false, "Join container names with _")
	f.StringVar(&g.dir, "workdir", "", "")
	f.BoolVar(&g.noANSI, "no-ansi", false, "")
	f.Bool("verbose", false, "")
	f.StringArray("insecure-registry", nil, "")
	f.StringVar(&g.profilesOf.cpu, "profile-cpu", "", "")
	f.StringVar(&g.profilesOf.memory, "profile-mem", "", "")
	_, _ = f.MarkHidden("profile-cpu"), f.MarkHidden("profile-mem") // of no use but to who works on muster: docs/performance.md
	for _, old := range []string{"workdir", "no-ansi", "verbose", "insecure-registry"} {
		_ = f.MarkHidden(old) // docker compose's, of old; verbose and insecure-registry do nothing there either by now
	}
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Annotations = map[string][]string{flagGlobal: {"true"}, flagGroup: {"Global flags"}}
	})
}

// shareWith lets the global flags stand behind a command as well, without a
// shorthand that the command itself uses.
func (g *globals) shareWith(own, global *pflag.FlagSet) {
	global.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations[flagGlobal] == nil || own.Lookup(flag.Name) != nil {
			return
		}
		shared := *flag
		if shared.Shorthand != "" && own.ShorthandLookup(shared.Shorthand) != nil {
			shared.Shorthand = ""
		}
		own.AddFlag(&shared)
	})
}

// probeEngineOnly says whether health checks are left to the engine.
func (p *program) probeEngineOnly() (bool, error) {
	switch p.globals.probe {
	case "", "muster":
		return false, nil
	case "engine":
		return true, nil
	}
	return false, &usageError{problem: fmt.Sprintf("invalid --probe option %q", p.globals.probe), hint: "there are muster and engine"}
}

// parallelism is the bound of engine calls at a time; 0 is the default.
func (p *program) parallelism() (int, error) {
	if p.globals.parallel >= 0 {
		return p.globals.parallel, nil
	}
	text := p.getenv("COMPOSE_PARALLEL_LIMIT")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, &usageError{problem: fmt.Sprintf("COMPOSE_PARALLEL_LIMIT must be an integer (found: %q)", text)}
	}
	return max(n, 0), nil
}
