package planner

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
)

// graph collects the steps of a plan and puts them in order.
type graph struct {
	steps []*Step
	room  []Step // for those to come
	byID  map[StepID]*Step
	// wishes are needs that are dropped where they would close a circle: who gives a
	// port or a name up goes before who takes it, if that is possible at all.
	wishes map[StepID][]StepID
	// hopes are wishes that go before the others.
	hopes map[StepID][]StepID
	// pending are what steps will come after beside what they know yet: of a rollout that is told only when all is emitted.
	pending map[StepID]func() []StepID
}

// maxRoom is for how many steps there is room at a time, at most.
const maxRoom = 256

func newGraph() *graph {
	return &graph{byID: map[StepID]*Step{}, wishes: map[StepID][]StepID{}, hopes: map[StepID][]StepID{}, pending: map[StepID]func() []StepID{}}
}

// expect makes room for more steps.
func (g *graph) expect(n int) {
	byID := make(map[StepID]*Step, len(g.byID)+n)
	for id, s := range g.byID {
		byID[id] = s
	}
	g.byID, g.steps = byID, slices.Grow(g.steps, n)
}

// add appends a step and answers with its ID, which is made from the action. Empty
// needs are left out.
func (g *graph) add(s Step) StepID {
	if s.ID == "" {
		s.ID = idOf(s.Action)
	}
	base := s.ID
	for n := 2; g.byID[s.ID] != nil; n++ {
		s.ID = StepID(fmt.Sprintf("%s (%d)", base, n))
	}
	if len(g.room) == cap(g.room) {
		g.room = make([]Step, 0, min(len(g.steps)+1, maxRoom))
	}
	g.room = append(g.room, s)
	added := &g.room[len(g.room)-1]
	g.steps = append(g.steps, added)
	g.byID[s.ID] = added
	return s.ID
}

// become gives a step another action, and with it another ID.
func (g *graph) become(id StepID, a Action, needs []StepID) {
	step := g.byID[id]
	delete(g.byID, id)
	step.ID, step.Action, step.Needs = idOf(a), a, needs
	g.byID[step.ID] = step
	for _, other := range g.steps {
		for _, list := range [][]StepID{other.Needs, other.After} {
			for i, n := range list {
				if n == id {
					list[i] = step.ID
				}
			}
		}
	}
}

// ordered answers with the steps in an order in which needs come before
// needers and which is otherwise that of adding.
func (g *graph) ordered() ([]Step, error) {
	for {
		steps, ok := g.sort()
		if ok {
			return steps, nil
		}
		left := g.left(steps)
		if !drop(g.hopes, left) && !drop(g.wishes, left) {
			return nil, fmt.Errorf("the plan's steps wait for each other: %s", strings.Join(left, ", "))
		}
	}
}

// drop forgets the wishes of the first of the steps that has any.
func drop(wishes map[StepID][]StepID, steps []string) bool {
	for _, id := range steps {
		if len(wishes[StepID(id)]) > 0 {
			delete(wishes, StepID(id))
			return true
		}
	}
	return false
}

func (g *graph) sort() ([]Step, bool) {
	place := make(map[StepID]int, len(g.steps))
	for i, s := range g.steps {
		place[s.ID] = i
	}
	needs, after := make([][]StepID, len(g.steps)), make([][]StepID, len(g.steps))
	waiting := make([]int, len(g.steps))
	needers := make([][]int, len(g.steps))
	var named []spot
	for i, s := range g.steps {
		wait := func(lists ...[]StepID) (ids []StepID) {
			named = spots(named[:0], place, i, lists)
			if len(named) == 0 {
				return nil
			}
			ids = make([]StepID, len(named))
			for k, n := range named {
				ids[k] = n.id
				needers[n.place] = append(needers[n.place], i)
			}
			waiting[i] += len(ids)
			return ids
		}
		needs[i], after[i] = wait(s.Needs, g.wishes[s.ID], g.hopes[s.ID]), wait(s.After)
	}
	var ready intHeap
	for i, n := range waiting {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	heap.Init(&ready)
	out := make([]Step, 0, len(g.steps))
	for ready.Len() > 0 {
		i := heap.Pop(&ready).(int)
		step := *g.steps[i]
		step.Needs, step.After = needs[i], after[i]
		out = append(out, step)
		for _, n := range needers[i] {
			if waiting[n]--; waiting[n] == 0 {
				heap.Push(&ready, n)
			}
		}
	}
	return out, len(out) == len(g.steps)
}

// spot is a step by its place among those of a graph.
type spot struct {
	id    StepID
	place int
}

// spots appends the steps of lists to out, sorted and without doubles, blanks, the step at self itself and steps that the plan does not have.
func spots(out []spot, place map[StepID]int, self int, lists [][]StepID) []spot {
	for _, ids := range lists {
		for _, id := range ids {
			if at, ok := place[id]; ok && at != self {
				out = append(out, spot{id, at})
			}
		}
	}
	slices.SortFunc(out, func(x, y spot) int { return strings.Compare(string(x.id), string(y.id)) })
	return slices.Compact(out)
}

// left names the steps that are not among the sorted ones.
func (g *graph) left(sorted []Step) []string {
	done := map[StepID]bool{}
	for _, s := range sorted {
		done[s.ID] = true
	}
	var left []string
	for _, s := range g.steps {
		if !done[s.ID] {
			left = append(left, string(s.ID))
		}
	}
	return left
}

// intHeap gives the smallest first.
type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// idOf names a step by what it does and to what.
func idOf(a Action) StepID {
	switch a := a.(type) {
	case CreateNetwork:
		return StepID("create network " + a.Name)
	case RemoveNetwork:
		return StepID("remove network " + a.Name)
	case CreateVolume:
		return StepID("create volume " + a.Name)
	case CopyVolume:
		return StepID("copy volume " + a.From + " to " + a.To)
	case BeginFill:
		return StepID("begin to fill volume " + a.Name)
	case FillVolume:
		return StepID("fill volume " + a.Name)
	case MoveVolume:
		return StepID("move volume " + a.From + " to " + a.To)
	case ExchangeVolume:
		return StepID("exchange volume " + a.Name + " with " + a.From)
	case RemoveVolume:
		return StepID("remove volume " + a.Name)
	case PullImage:
		return StepID("pull " + a.Ref)
	case PushImage:
		return StepID("push " + a.Ref)
	case BuildImage:
		return StepID("build " + a.Ref)
	case RemoveImage:
		return StepID("remove image " + a.Ref)
	case CreateContainer:
		return StepID("create " + a.Name)
	case StartContainer:
		return StepID("start " + a.Name)
	case StopContainer:
		return StepID("stop " + a.Name)
	case KillContainer:
		return StepID("kill " + a.Name)
	case PauseContainer:
		return StepID("pause " + a.Name)
	case UnpauseContainer:
		return StepID("unpause " + a.Name)
	case RestartContainer:
		return StepID("restart " + a.Name)
	case RemoveContainer:
		return StepID("remove " + a.Name)
	case RenameContainer:
		return StepID("rename " + a.Name + " to " + a.To)
	case Await:
		id := StepID("await " + a.Name + " " + string(a.Condition))
		if a.Condition == IsSteady && a.Monitor > 0 {
			id += StepID(" for " + duration(a.Monitor))
		}
		if a.For != "" {
			id += StepID(" for " + a.For)
		}
		return id
	case Delay:
		return StepID("pause " + duration(a.For) + " after " + a.Behind)
	case RunHook:
		return StepID(fmt.Sprintf("run %s %d in %s", a.When, a.Index+1, a.Name))
	case RunProvider:
		return StepID("run provider " + a.Service)
	case StopProvider:
		if a.Keep {
			return StepID("stop provider " + a.Service)
		}
		return StepID("take down provider " + a.Service)
	case ConfigureModel:
		return StepID("configure model " + a.Model)
	case UpdateContainer:
		return StepID("update " + a.Name)
	case ConnectNetwork:
		return StepID("connect " + a.Name + " to " + a.Network)
	case DisconnectNetwork:
		return StepID("disconnect " + a.Name + " from " + a.Network)
	case ApplyService:
		return StepID("apply service " + a.Name)
	case RemoveService:
		return StepID("remove service " + a.Name)
	case AwaitService:
		id := StepID("await service " + a.Name + " " + string(a.Condition))
		if a.For != "" {
			id += StepID(" for " + a.For)
		}
		return id
	case CreateObject:
		return StepID("create " + string(a.Kind) + " " + a.Name)
	case RemoveObject:
		return StepID("remove " + string(a.Kind) + " " + a.Name)
	}
	return StepID(fmt.Sprintf("%T %s", a, a.Resource().Name))
}
