package planner

import (
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// standing is what exists of a project, service by service, with the order that the file or
// else the labels give. Commands that do not compare work on it.
type standing struct {
	*builder
	names []string // of services, dependencies first
	// on has the services that each one depends on, needers the other direction.
	on, needers map[string]map[string]project.ServiceDependency
	all         map[string][]*Container // with one-offs where they count
	part        map[string]bool         // takesPart's answers
	begun       map[string]StepID       // after which a container that is started here runs, by its name
	// prepared has the ends of the hooks that run before a service's first start.
	prepared map[string][]StepID
}

// newStanding reads what exists. Services whose file is not at hand are put together from labels.
func newStanding(want *project.Project, have State, how Policy, oneOffs bool) *standing {
	if want == nil {
		want = &project.Project{Name: projectOf(have)}
	}
	st := &standing{
		builder: newBuilder(want, have, how),
		on:      map[string]map[string]project.ServiceDependency{}, needers: map[string]map[string]project.ServiceDependency{},
		all: map[string][]*Container{}, part: map[string]bool{}, begun: map[string]StepID{}, prepared: map[string][]StepID{},
	}
	for name, list := range st.have.services {
		st.all[name] = append(st.all[name], list...)
	}
	if oneOffs {
		for _, c := range st.have.oneOffs {
			st.all[c.Service] = append(st.all[c.Service], c)
		}
	}
	for name := range st.all {
		st.depend(name)
	}
	st.names = st.sorted()
	return st
}

func projectOf(have State) string {
	for _, c := range have.Containers {
		if p := c.Labels[LabelProject]; p != "" {
			return p
		}
	}
	for _, n := range have.Networks {
		if p := n.Labels[LabelProject]; p != "" {
			return p
		}
	}
	for _, v := range have.Volumes {
		if p := v.Labels[LabelProject]; p != "" {
			return p
		}
	}
	for _, o := range have.Objects {
		if p := o.Labels[LabelProject]; p != "" {
			return p
		}
	}
	return ""
}

// depend notes what a service depends on, as far as that exists.
func (st *standing) depend(name string) {
	found := map[string]project.ServiceDependency{}
	if s, ok := st.want.Declared(name); ok {
		for to, d := range s.DependsOn {
			found[to] = d
		}
		for _, j := range joined(s) {
			if _, ok := found[j[1]]; !ok {
				found[j[1]] = project.ServiceDependency{Condition: project.ConditionStarted, Restart: true, Required: true}
			}
		}
	} else {
		for _, c := range st.all[name] {
			for to, d := range readDependsOn(c.Labels[LabelDependsOn]) {
				found[to] = d
			}
		}
	}
	st.on[name] = map[string]project.ServiceDependency{}
	for to, d := range found {
		if to == name || len(st.all[to]) == 0 {
			continue
		}
		st.on[name][to] = d
		if st.needers[to] == nil {
			st.needers[to] = map[string]project.ServiceDependency{}
		}
		st.needers[to][name] = d
	}
}

// sorted puts dependencies first. Labels of different ages may form a circle, which is cut
// where it is met: nobody shall be kept from stopping a stack.
func (st *standing) sorted() []string {
	var order []string
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		if state[name] != 0 {
			return
		}
		state[name] = 1
		for _, to := range keys(st.on[name]) {
			if state[to] == 1 {
				delete(st.on[name], to)
				delete(st.needers[to], name)
				continue
			}
			visit(to)
		}
		state[name] = 2
		order = append(order, name)
	}
	for _, name := range keys(st.all) {
		visit(name)
	}
	return order
}

// chosen says whether a service is among those that the user named.
func (st *standing) chosen(name string) bool {
	return len(st.how.Services) == 0 || contains(st.how.Services, name)
}

// checkNames refuses names that neither the file nor the engine knows.
func (st *standing) checkNames() {
	for _, name := range st.how.Services {
		if _, ok := st.want.Declared(name); !ok && len(st.all[name]) == 0 && st.have.deployed[name] == nil {
			st.fail(Ref{Kind: KindService, Name: name}, "", "no service %q", name)
		}
	}
}

// postStart are the hooks after the start of a container: those of the file, else those that it was made with.
func (st *standing) postStart(c *Container) []project.ServiceHook {
	if s, known := st.want.Declared(c.Service); known {
		return s.PostStart
	}
	return st.codec.recorded(c.Labels).PostStart
}

// firstStart adds the hooks that are due before a container runs for the first time. The hooks of the service run
// before the first of its containers, unless one of them has run already.
func (st *standing) firstStart(c *Container, needs []StepID) []StepID {
	s, known := st.want.Declared(c.Service)
	if !known || c.Status != Created || c.OneOff || len(s.PreStart) == 0 {
		return needs
	}
	s.Name = c.Service
	ahead, seen := st.prepared[c.Service]
	all := !seen
	for _, other := range st.all[c.Service] {
		all = all && (other.Status == Created || other.OneOff)
	}
	if !seen {
		st.clearHooks(c.Service)
	}
	needs = st.preStart(hooked{
		service: s, replica: c.Name, number: c.number(), now: c.Name, needs: append(append([]StepID(nil), needs...), ahead...), all: all,
		names: st.namesFor(nil, nil),
	})
	if !seen {
		st.prepared[c.Service] = needs
	}
	return needs
}

// byNumber sorts containers as people count them.
func byNumber(list []*Container) []*Container {
	out := append([]*Container(nil), list...)
	sort.SliceStable(out, func(i, j int) bool {
		if a, b := out[i].number(), out[j].number(); a != b {
			return a < b
		}
		return strings.Compare(out[i].Name, out[j].Name) < 0
	})
	return out
}
