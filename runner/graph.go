package runner

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/planner"
)

// graph is a plan with its edges as indices into Steps.
type graph struct {
	steps  []planner.Step
	next   [][]int         // the steps that need this one
	needs  []int           // how many this one needs
	later  [][]int         // the steps that come after this one, however it ends
	after  []int           // how many this one comes after
	chain  []time.Duration // guess of the time from the step's beginning to the end of the longest chain that it heads
	groups map[string][]int
	// final says of a step that it removes something for good as the end of what its
	// group does. What is removed to make room at the group's beginning is not.
	final    []bool
	awaits   bool
	starts   map[string]bool // containers that a step starts
	rollouts []planner.Rollout
}

// newGraph refuses a plan that cannot be walked.
func newGraph(plan planner.Plan) (*graph, error) {
	n := len(plan.Steps)
	g := &graph{steps: plan.Steps, next: make([][]int, n), needs: make([]int, n),
		later: make([][]int, n), after: make([]int, n), rollouts: plan.Rollouts,
		chain: make([]time.Duration, n), groups: map[string][]int{}, final: make([]bool, n), starts: map[string]bool{}}
	index := make(map[planner.StepID]int, n)
	for i, step := range plan.Steps {
		if _, twice := index[step.ID]; twice {
			return nil, fmt.Errorf("plan has two steps %q", step.ID)
		}
		if step.Action == nil {
			return nil, fmt.Errorf("step %q of the plan has no action", step.ID)
		}
		index[step.ID] = i
	}
	for i, step := range plan.Steps {
		var err error
		if g.needs[i], err = link(i, step.ID, step.Needs, index, g.next); err != nil {
			return nil, err
		}
		if g.after[i], err = link(i, step.ID, step.After, index, g.later); err != nil {
			return nil, err
		}
		if step.Group != "" {
			g.groups[step.Group] = append(g.groups[step.Group], i)
		}
		g.awaits = g.awaits || waits(step)
		switch a := step.Action.(type) {
		case planner.StartContainer:
			g.starts[a.Name] = true
		case planner.RestartContainer:
			g.starts[a.Name] = true
		}
	}
	for _, r := range plan.Rollouts {
		if r.Back == nil {
			continue
		}
		for _, u := range r.Back.Units {
			g.awaits = g.awaits || slices.ContainsFunc(u.Steps, waits)
		}
	}
	return g, g.measure()
}

// link adds step i to those that follow each of the steps before it, and says how many these are.
func link(i int, id planner.StepID, before []planner.StepID, index map[planner.StepID]int, follow [][]int) (int, error) {
	seen := make(map[planner.StepID]bool, len(before))
	for _, need := range before {
		j, ok := index[need]
		if !ok {
			return 0, fmt.Errorf("step %q needs %q, which the plan does not have", id, need)
		}
		if !seen[need] {
			seen[need] = true
			follow[j] = append(follow[j], i)
		}
	}
	return len(seen), nil
}

// waits says whether a step, or its undo, waits for a container.
func waits(step planner.Step) bool {
	return slices.ContainsFunc(append([]planner.Action{step.Action}, step.Undo...), func(a planner.Action) bool {
		_, ok := a.(planner.Await)
		return ok
	})
}

// measure finds the chains, from their ends, and with them any cycle.
func (g *graph) measure() error {
	left := append([]int(nil), g.needs...)
	order := make([]int, 0, len(g.steps))
	for i, n := range g.after {
		if left[i] += n; left[i] == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, j := range slices.Concat(g.next[order[k]], g.later[order[k]]) {
			if left[j]--; left[j] == 0 {
				order = append(order, j)
			}
		}
	}
	if len(order) < len(g.steps) {
		for i, n := range left {
			if n > 0 {
				return fmt.Errorf("step %q of the plan needs itself, through others", g.steps[i].ID)
			}
		}
	}
	g.findFinal(order)
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		var longest time.Duration
		for _, j := range slices.Concat(g.next[i], g.later[i]) {
			longest = max(longest, g.chain[j])
		}
		g.chain[i] = longest + usual(g.steps[i].Action)
	}
	return nil
}

// findFinal fills final, given the steps in an order that they can be done in.
func (g *graph) findFinal(order []int) {
	worked := make([]bool, len(g.steps)) // the group has done something before
	for _, i := range order {
		step := g.steps[i]
		removes := forGood(step.Action)
		g.final[i] = removes && worked[i]
		for _, j := range g.next[i] {
			if step.Group != "" && g.steps[j].Group == step.Group {
				worked[j] = worked[j] || worked[i] || !removes
			}
		}
	}
}

// usual is about how long an action takes. It only decides which of two ready
// steps goes first, so that orders of magnitude are enough.
func usual(a planner.Action) time.Duration {
	switch a := a.(type) {
	case planner.Delay:
		return a.For
	case planner.BuildImage:
		return 20 * time.Second
	case planner.PullImage, planner.RunProvider, planner.ConfigureModel:
		return 10 * time.Second
	case planner.Await, planner.StopContainer, planner.RunHook:
		return time.Second
	case planner.AwaitService, planner.RemoveService:
		return 5 * time.Second
	case planner.RestartContainer:
		return 1500 * time.Millisecond
	case planner.StartContainer:
		return 300 * time.Millisecond
	default:
		return 50 * time.Millisecond
	}
}

// class says which of the bounds on actions in flight counts an action.
type class int

const (
	quick   class = iota // keeps the engine at work for a moment
	fetch                // keeps network and disk at work for a long time
	linger               // mostly waits for a process in a container
	unbound              // costs nothing while it lasts
	classes
)

func classOf(a planner.Action) class {
	if stop, ok := a.(planner.StopContainer); ok && stop.Grace != nil && *stop.Grace == 0 {
		return quick // a kill, for which the engine has to work
	}
	switch a.(type) {
	case planner.PullImage, planner.BuildImage:
		return fetch
	case planner.StopContainer, planner.RestartContainer, planner.RunHook, planner.RunProvider, planner.StopProvider, planner.ConfigureModel,
		planner.RemoveService:
		return linger
	case planner.Await, planner.AwaitService, planner.Delay:
		return unbound
	default:
		return quick
	}
}

// count says how many steps of a class there are.
func (g *graph) count(c class) int {
	n := 0
	for _, step := range g.steps {
		if classOf(step.Action) == c {
			n++
		}
	}
	return n
}

// forGood says whether an action takes away what no undo brings back.
func forGood(a planner.Action) bool {
	switch a.(type) {
	case planner.RemoveContainer, planner.RemoveVolume, planner.RemoveNetwork, planner.RemoveService, planner.RemoveObject:
		return true
	default:
		return false
	}
}
