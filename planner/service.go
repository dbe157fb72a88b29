package planner

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// service is one wanted service on its way into the plan.
type service struct {
	name   string
	spec   project.Service
	json   string         // canonical
	parts  map[string]any // json, taken apart when first needed
	packed string         // value of LabelSpec, made when first needed
	hash   string         // docker compose's, likewise
	// compared are the records of its containers beside the JSON; replicas mostly have the same one.
	compared []compared
	// unwritable is why there is no JSON.
	unwritable error
	scale      int
	forced     bool           // to be replaced although nothing differs
	job        bool           // another one waits for its completion
	ready      *project.Ready // what it is ready by, in the place of a health check
	edges      []edge
	// dependents are the services with an edge to this one, by name.
	dependents []dependent
	// parents are the services whose namespaces or volumes it joins: when one of
	// them gets another container, this one needs another too.
	parents  []parent
	replicas []*replica // by number
	surplus  []*surplus
	shared   []string // volumes that several of its containers may write
	// prepared says that the hooks before its first start have been looked at, preparation what the
	// start of its other replicas has to wait for.
	prepared    bool
	preparation []StepID
	fresh       bool // it had no container before
	had         int  // how many it had
}

// edge is one dependency that matters to this plan.
type edge struct {
	to        *service
	condition string
	restart   bool
	optional  bool          // the dependent starts without it, too
	timeout   time.Duration // of its wait; 0 is none of its own
}

// dependent is the other end of an edge.
type dependent struct {
	of        *service
	condition string
}

// parent is a service that another one is joined to.
type parent struct {
	to *service
	// field says how, such as "network_mode".
	field string
	// process: what is shared ends with the parent's process, and not only with its container.
	process bool
}

// verb is what becomes of a replica.
type verb int

const (
	keep    verb = iota
	start        // exists and does not run
	restart      // runs and must notice that something it depends on is another
	create       // does not exist
	replace      // exists and differs
	finish       // its successor exists and runs: only the old one has to go
)

// replica is one container that a service shall have.
type replica struct {
	name   string // that it shall have
	number int
	verb   verb
	old    *Container   // nil with create
	next   *Container   // the running successor, with finish
	litter []*Container // left over from an interrupted run; they go first
	// migrated is what had the place before, and has to go first, for a volume that is made anew; with create.
	migrated *Container
	resumed  bool // old was stopped by an interrupted replacement and must come back if this one fails
	because  []Change
	why      string // for people: of a restart, or of a job that runs again
	mends    []mend

	// What emitting found out.
	create StepID    // that makes its container; empty for one that exists
	done   []StepID  // after these it is started, replaced and named
	proven Condition // that its replacement has waited for
	awaits map[Condition]StepID
	first  StepID // of its replacement
	last   StepID // that is taken back with the others when one of them fails
	proof  StepID // the successor is good
	check  StepID // it is still good when all that it is replaced with is
	// gaveWay stops the old container before its successor starts, stopLate when that is proven.
	gaveWay, stopLate StepID
	removal           StepID // of the old container
	commit            StepID // gives the successor its name
	unit              *unit  // that it is replaced with
	previous          []*replica
	wait              StepID // between those of the batch before and this
}

// current is the container that stands for the replica before the plan runs.
func (r *replica) current() *Container {
	if r.verb == finish {
		return r.next
	}
	return r.old
}

// surplus is a container that has to go although its service stays.
type surplus struct {
	container *Container
	because   []Change
}

// starting says whether one of its containers is started, replaced or is the
// first ever; a mere scale-up is none of these.
func (s *service) starting() bool {
	for _, r := range s.replicas {
		switch r.verb {
		case start, replace, finish:
			return true
		case create:
			if s.fresh || len(r.litter) > 0 {
				return true
			}
		}
	}
	return false
}

func (s *service) renewed() bool {
	for _, r := range s.replicas {
		if r.verb == replace || r.verb == finish {
			return true
		}
	}
	return false
}

// livesIn says whether containers of s are joined to a namespace of those of another service.
func (s *service) livesIn(other *service) bool {
	return slices.ContainsFunc(s.parents, func(p parent) bool { return p.process && p.to == other })
}

func (s *service) ref() Ref { return Ref{Kind: KindService, Name: s.name} }

func (s *service) path(rest string) string { return "services." + s.name + "." + rest }

func (s *service) label(codec *specCodec) string {
	if s.packed == "" {
		s.packed = codec.encode(s.json)
	}
	return s.packed
}

// checked says whether the file says what the service is ready by; its image may have a health check too.
func (s *service) checked() bool {
	if s.ready != nil {
		return true
	}
	h := s.spec.HealthCheck
	return h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE"
}

// once says whether the engine leaves a container of this service alone when it has exited.
func (s *service) once() bool {
	if s.spec.Deploy != nil && s.spec.Deploy.RestartPolicy != nil {
		return s.spec.Deploy.RestartPolicy.Condition == "none"
	}
	return s.spec.Restart == "" || s.spec.Restart == "no"
}

// joined lists the services that s refers to by service: and volumes_from, as field and name.
func joined(s project.Service) [][2]string {
	var out [][2]string
	for _, f := range [][2]string{
		{"network_mode", s.NetworkMode}, {"ipc", s.Ipc}, {"pid", s.Pid}, {"uts", s.Uts}, {"cgroup", s.Cgroup},
	} {
		if name, ok := strings.CutPrefix(f[1], "service:"); ok {
			out = append(out, [2]string{f[0], name})
		}
	}
	for _, v := range s.VolumesFrom {
		if name, _, _ := strings.Cut(v, ":"); name != "container" {
			out = append(out, [2]string{"volumes_from", name})
		}
	}
	return out
}

// resolved is the service with its references to others replaced by what name says of them.
func resolved(s project.Service, name func(service string) string) project.Service {
	mode := func(value string) string {
		if other, ok := strings.CutPrefix(value, "service:"); ok {
			if n := name(other); n != "" {
				return "container:" + n
			}
		}
		return value
	}
	s.NetworkMode, s.Ipc, s.Pid = mode(s.NetworkMode), mode(s.Ipc), mode(s.Pid)
	s.Uts, s.Cgroup = mode(s.Uts), mode(s.Cgroup)
	if len(s.VolumesFrom) > 0 {
		from := make([]string, len(s.VolumesFrom))
		for i, v := range s.VolumesFrom {
			from[i] = v
			other, access, hasAccess := strings.Cut(v, ":")
			if other == "container" {
				from[i] = access
				continue
			}
			if n := name(other); n != "" {
				from[i] = n
				if hasAccess {
					from[i] += ":" + access
				}
			}
		}
		s.VolumesFrom = from
	}
	return s
}

// inOrder sorts services so that each comes after what it depends on, and by name otherwise.
func inOrder(services map[string]*service) (order []string, circle []string) {
	const (
		open = iota + 1
		closed
	)
	state := make(map[string]int, len(services))
	var path []string
	var visit func(s *service) bool
	visit = func(s *service) bool {
		switch state[s.name] {
		case closed:
			return true
		case open:
			return false
		}
		state[s.name] = open
		path = append(path, s.name)
		var next []*service
		for _, e := range s.edges {
			next = append(next, e.to)
		}
		for _, p := range s.parents {
			next = append(next, p.to)
		}
		sort.Slice(next, func(i, j int) bool { return next[i].name < next[j].name })
		for _, n := range next {
			if !visit(n) {
				return false
			}
		}
		state[s.name] = closed
		path = path[:len(path)-1]
		order = append(order, s.name)
		return true
	}
	for _, name := range keys(services) {
		if !visit(services[name]) {
			return nil, path
		}
	}
	return order, nil
}
