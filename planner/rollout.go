package planner

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// Rollout is how the containers of one service are replaced and what is done when some of the new
// ones do not work: `deploy.update_config` and `rollback_config`, with what they leave out filled in.
type Rollout struct {
	Service  string `json:"service"`
	Replicas int    `json:"replicas"` // how many are replaced
	Pace
	// NotStartFirst is why start-first, which was asked for, cannot be had; empty otherwise.
	NotStartFirst string `json:"not_start_first,omitempty"`
	// Groups are the undo groups of the steps, one for each replica that has to prove itself. Replicas that can only be
	// replaced together have the same.
	Groups []string `json:"groups"`
	// Back is how replicas that were replaced already get their old containers back when the rollout fails; nil
	// unless OnFailure is rollback. Until all are replaced the old containers are kept, stopped.
	Back *Rollback `json:"back,omitempty"`
	// spoken: the file says more of it than an order and how many at a time.
	spoken bool
}

// text is what the file says of a rollout beyond how many at a time and in what order.
func (r Rollout) text() string {
	var parts []string
	if r.Delay > 0 {
		parts = append(parts, duration(r.Delay)+" apart")
	}
	if r.Monitor > 0 {
		parts = append(parts, "each watched for "+duration(r.Monitor))
	}
	when := "at the first failure"
	if r.MaxFailureRatio > 0 {
		when = fmt.Sprintf("if more than %g%% fail", math.Round(r.MaxFailureRatio*1e6)/1e4)
	}
	switch {
	case r.OnFailure == ContinueRollout:
		parts = append(parts, "go on after a failure")
	case r.OnFailure == RollBack && r.Back != nil:
		how := []string{string(r.Back.Order)}
		if p := r.Back.Pace.text(r.Replicas); p != "" {
			how = append([]string{p}, how...)
		}
		parts = append(parts, "roll back "+when+" ("+strings.Join(how, ", ")+")")
	default:
		parts = append(parts, "stop "+when)
	}
	return strings.Join(parts, "; ")
}

// Pace is how fast replicas are replaced, and how many may fail.
type Pace struct {
	Parallelism int           `json:"parallelism"` // at a time; 0 is all
	Delay       time.Duration `json:"delay"`       // between one batch and the next
	// Monitor is how long a new container is watched after it is up; it must neither end nor become unhealthy.
	Monitor time.Duration `json:"monitor"`
	// MaxFailureRatio is the part of the replicas that may fail before OnFailure is done, from 0 to 1.
	MaxFailureRatio float64       `json:"max_failure_ratio"`
	Order           Order         `json:"order"`
	OnFailure       FailureAction `json:"failure_action"`
}

// Order says whether the old or the new container goes first.
type Order string

// The orders.
const (
	StopFirst  Order = "stop-first"
	StartFirst Order = "start-first"
)

// FailureAction is what is done about a rollout in which more replicas fail than may. A replica that fails always gets
// its old container back.
type FailureAction string

// The actions.
const (
	PauseRollout    FailureAction = "pause"    // no other replica is begun
	ContinueRollout FailureAction = "continue" // the others are replaced all the same
	RollBack        FailureAction = "rollback" // those that were replaced go back too
)

// Rollback is how replicas go back. Its OnFailure is pause or continue.
type Rollback struct {
	Pace
	// Units are what goes back as one, in the order of the replicas.
	Units []Unit `json:"-"`
}

// Unit is the way back of one undo group.
type Unit struct {
	Group string // that of the rollout
	Steps []Step
}

// Exceeded says whether so many failures are more than a rollout of n replicas may have.
func (p Pace) Exceeded(failed, n int) bool {
	const slack = 1e-6 // a third of three is one, whatever a float makes of it
	return failed > 0 && float64(failed) > p.MaxFailureRatio*float64(n)+slack
}

// Plan is the way back of the undo groups that is meant, in batches as the rollback's pace says.
func (r Rollback) Plan(service string, groups []string) Plan {
	back := Rollout{Service: service, Pace: r.Pace}
	var steps []Step
	var batch, before []StepID
	in, last := 0, ""
	for _, u := range r.Units {
		if !slices.Contains(groups, u.Group) || len(u.Steps) == 0 {
			continue
		}
		if r.Parallelism > 0 && in == r.Parallelism {
			in, before, batch = 0, batch, nil
			if r.Delay > 0 {
				wait := Step{Action: Delay{Service: service, Behind: last, For: r.Delay}, After: before, Rollout: service}
				wait.ID = idOf(wait.Action)
				steps = append(steps, wait)
				before = []StepID{wait.ID}
			}
		}
		in++
		for i, s := range u.Steps {
			if i == 0 {
				s.After = before
			}
			steps = append(steps, s)
			batch = append(batch, s.ID)
			last = s.Action.Resource().Name
		}
		back.Groups = append(back.Groups, u.Steps[0].Group)
	}
	back.Replicas = len(back.Groups)
	return Plan{Steps: steps, Rollouts: []Rollout{back}}
}

// paceOf fills in what update_config or rollback_config leaves out. The monitor of nothing said is
// that of the policy.
func (b *builder) paceOf(u *project.UpdateConfig) Pace {
	p := Pace{Parallelism: 1, Order: StopFirst, OnFailure: PauseRollout}
	if u == nil {
		return p
	}
	if u.Parallelism != nil {
		p.Parallelism = int(min(*u.Parallelism, 1<<20))
	}
	p.Delay, p.Monitor, p.MaxFailureRatio = time.Duration(u.Delay), time.Duration(u.Monitor), float64(u.MaxFailureRatio)
	if u.Order != "" {
		p.Order = Order(u.Order)
	}
	if u.FailureAction != "" {
		p.OnFailure = FailureAction(u.FailureAction)
	}
	return p
}

// updatePace is how a service's containers are replaced, and rollbackPace how they go back. An order that
// rollback_config does not name is that of the update: what bears two at once bears it both ways.
func (b *builder) updatePace(s *service) Pace {
	if s.spec.Deploy == nil {
		return b.paceOf(nil)
	}
	return b.paceOf(s.spec.Deploy.UpdateConfig)
}

func (b *builder) rollbackPace(s *service) Pace {
	var u *project.UpdateConfig
	if s.spec.Deploy != nil {
		u = s.spec.Deploy.RollbackConfig
	}
	p := b.paceOf(u)
	if u == nil || u.Order == "" {
		p.Order = b.updatePace(s).Order
	}
	return p
}

// briefly is how long a new container is watched where nobody says, after it was healthy or, without a health check, from its
// start: long enough to see what crashes as soon as it has something to do, and short enough not to be in the way.
func (b *builder) briefly() time.Duration {
	if b.how.DefaultMonitor > 0 {
		return b.how.DefaultMonitor
	}
	return time.Second
}

// batches lets the replicas of a service be replaced a few at a time.
type batches struct {
	pace     Pace
	previous []*replica
	current  []*replica
	wait     StepID // between the two
}

// admitTo puts a replica into the current batch, or into the next one where that is full.
func (b *builder) admitTo(c *batches, s *service, r *replica) {
	if c.pace.Parallelism > 0 && len(c.current) == c.pace.Parallelism {
		c.previous, c.current, c.wait = c.current, nil, ""
		if c.pace.Delay > 0 && !b.how.NoStart {
			last := c.previous[len(c.previous)-1]
			c.wait = b.graph.add(Step{
				Action:  Delay{Service: s.name, Behind: last.name, For: c.pace.Delay},
				Rollout: s.name, Because: []Change{{Path: s.path("deploy.update_config.delay"), To: c.pace.Delay.String()}},
			})
			b.pauses = append(b.pauses, pause{c.wait, c.previous})
		}
	}
	c.current = append(c.current, r)
	r.previous, r.wait = c.previous, c.wait
}

// pause is a step between two batches, with the first of them.
type pause struct {
	step StepID
	of   []*replica
}
