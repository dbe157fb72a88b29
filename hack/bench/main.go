// Bench measures muster beside docker compose and beside the floor: a client that does nothing but the raw calls of the
// engine's API that the case cannot do without. The three take turns in one run, so that what else the machine does is
// the same for all; what counts is the median, and its ratio to the others'.
//
//	make bench
//	make bench BENCH='-case chain -runs 9'
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// bench is one run of the program.
type bench struct {
	muster, compose string // programs; compose may be empty
	self            string // this program
	engine          *api
	image           string
	folder          string // for Compose files
	runs            int
	environ         []string // that tools get besides
	stands          string   // the Compose file of what was brought up for cases that change nothing; empty where nothing is
	verbose         bool
}

// benchCase is one thing that is measured. Each tool does the same from the same state.
type benchCase struct {
	name string
	n    int // services
	// prepare is called before each turn of a tool, and not measured.
	prepare func(ctx context.Context, b *bench, t tool) error
	// standing says that no turn changes anything, so that it is prepared only once, by muster.
	standing bool
	// again brings back, before each turn of a case that stands, what a turn has changed after all; not measured, may be nil.
	again func(ctx context.Context, b *bench) error
	// muster and compose are the arguments; compose may be empty.
	muster, compose []string
	// session measures a part of what a program does, instead of all of it; may be nil.
	session func(ctx context.Context, b *bench, program string) (time.Duration, error)
	// floor does the raw calls, and says how long what counts of them took.
	floor func(ctx context.Context, b *bench) (time.Duration, error)
	// least is what the least program does (see least.go); empty where there is none.
	least string
	// what says what the floor is.
	what string
	// files are the Compose files, by tool.
	files func(b *bench, t tool) string
}

// tool is one of those that take turns.
type tool string

const (
	muster  tool = "muster"
	compose tool = "compose"
	floor   tool = "floor"
	leastOf tool = "least"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "least" {
		return least(ctx, args[1:])
	}
	var b bench
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.StringVar(&b.muster, "muster", "bin/muster", "the muster to measure")
	set.StringVar(&b.compose, "compose", "", "the docker compose to measure beside it, `program` or plugin; empty: none")
	set.StringVar(&b.image, "image", cmp.Or(os.Getenv("TESTAPP_IMAGE"), "muster.local/testapp:1"), "the image of the services")
	set.IntVar(&b.runs, "runs", 5, "turns of each tool in each case")
	set.BoolVar(&b.verbose, "v", false, "print each turn")
	which := set.String("case", "", "only cases that match this `expression`")
	if err := set.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*which)
	if err != nil {
		return err
	}
	if b.muster, err = filepath.Abs(b.muster); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.engine, err = newAPI(os.Getenv("DOCKER_HOST")); err != nil {
		return err
	}
	if b.folder, err = os.MkdirTemp("", "muster-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	defer b.removeShopImage(context.WithoutCancel(ctx))
	defer func() { _ = b.stand(context.WithoutCancel(ctx), benchCase{}) }()
	before := load()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "case\tservices\tmuster\tcompose\tfloor\tmuster/floor\tcompose/floor\tmuster/compose\tleast/floor\t")
	for _, c := range cases() {
		if !wanted.MatchString(fmt.Sprintf("%s %d", c.name, c.n)) {
			continue
		}
		got, err := b.measure(ctx, c)
		if err != nil {
			return fmt.Errorf("%s %d: %w", c.name, c.n, err)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", c.name, c.n, got.text(muster), got.text(compose), got.text(floor),
			got.ratio(muster, floor), got.ratio(compose, floor), got.ratio(muster, compose), got.ratio(leastOf, floor))
	}
	// Nothing is left when the figures are said: who reads them may go away after the first lines.
	if err := b.stand(ctx, benchCase{}); err != nil {
		return err
	}
	fmt.Fprintln(table)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("Medians of %d turns, one tool after the other. The machine's load (1, 5, 15 minutes) was %s before and %s after.\n", b.runs, before, load())
	fmt.Println("The floor:")
	said := map[string]bool{}
	for _, c := range cases() {
		if !said[c.name] && wanted.MatchString(fmt.Sprintf("%s %d", c.name, c.n)) {
			said[c.name] = true
			fmt.Printf("  %-8s %s\n", c.name, c.what)
		}
	}
	return nil
}

// load is how busy the machine is; a table that was made on a busy one says little but its ratios.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 2 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

// times are what the turns of each tool took.
type times map[tool][]time.Duration

// measure lets the tools take turns; each turn begins with another one.
func (b *bench) measure(ctx context.Context, c benchCase) (times, error) {
	tools := []tool{muster}
	if b.compose != "" && (len(c.compose) > 0 || c.session != nil) {
		tools = append(tools, compose)
	}
	if c.floor != nil {
		tools = append(tools, floor)
	}
	if c.least != "" {
		tools = append(tools, leastOf)
	}
	got := times{}
	if err := b.stand(ctx, c); err != nil {
		return nil, err
	}
	if c.standing {
		for _, t := range tools { // what a tool keeps for the next time is there
			if _, err := b.once(ctx, c, t); err != nil {
				return nil, fmt.Errorf("%s: %w", t, err)
			}
		}
	}
	for turn := range b.runs {
		for i := range tools {
			t := tools[(turn+i)%len(tools)]
			took, err := b.turn(ctx, c, t)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t, err)
			}
			got[t] = append(got[t], took)
			if b.verbose {
				fmt.Fprintf(os.Stderr, "%s %d: %s %v\n", c.name, c.n, t, took.Round(time.Millisecond))
			}
		}
	}
	return got, nil
}

// stand brings up what a case wants that changes nothing, unless it stands from the case before, and else removes that.
func (b *bench) stand(ctx context.Context, c benchCase) error {
	var wanted string
	if c.standing {
		wanted = c.files(b, muster)
	}
	if wanted == b.stands {
		return nil
	}
	if b.stands != "" {
		b.stands = ""
		if err := b.engine.removeProject(ctx, project); err != nil {
			return err
		}
	}
	if !c.standing {
		return nil
	}
	if c.prepare != nil {
		b.stands = wanted // or a part of it
	}
	return b.ready(ctx, c, muster)
}

// ready brings about what a tool begins with.
func (b *bench) ready(ctx context.Context, c benchCase, t tool) error {
	if c.files != nil {
		if err := os.WriteFile(b.file(), []byte(c.files(b, t)), 0o600); err != nil {
			return err
		}
	}
	if c.prepare != nil {
		if err := c.prepare(ctx, b, t); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	return nil
}

// turn is one turn of one tool.
func (b *bench) turn(ctx context.Context, c benchCase, t tool) (took time.Duration, err error) {
	if c.standing {
		if c.again != nil {
			if err := c.again(ctx, b); err != nil {
				return 0, fmt.Errorf("prepare: %w", err)
			}
		}
		return b.once(ctx, c, t)
	}
	defer func() {
		// The next turn begins from nothing, whatever became of this one.
		if cleanErr := b.engine.removeProject(context.WithoutCancel(ctx), project); err == nil {
			err = cleanErr
		}
	}()
	if err := b.ready(ctx, c, t); err != nil {
		return 0, err
	}
	return b.once(ctx, c, t)
}

// once is what is measured of a tool.
func (b *bench) once(ctx context.Context, c benchCase, t tool) (time.Duration, error) {
	switch {
	case t == muster && c.session != nil:
		return c.session(ctx, b, b.muster)
	case t == compose && c.session != nil:
		return c.session(ctx, b, b.compose)
	case t == muster:
		return b.command(ctx, b.muster, c.muster)
	case t == compose:
		return b.command(ctx, b.compose, c.compose)
	case t == leastOf:
		return b.command(ctx, b.self, b.leastArgs(c))
	}
	return c.floor(ctx, b)
}

// text is the median.
func (t times) text(of tool) string {
	if len(t[of]) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f ms", float64(median(t[of]).Microseconds())/1000)
}

// ratio is that of two medians.
func (t times) ratio(a, b tool) string {
	if len(t[a]) == 0 || len(t[b]) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(median(t[a]))/float64(median(t[b])))
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// words puts arguments into a list.
func words(text string) []string { return strings.Fields(text) }
