package stacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/plugin"
)

// session is one copy of a stack, from its files to its removal.
type session struct {
	o         options
	instances instance.Registry
	state     string // muster's folder; empty where there is none
	on        engine
	want      *project.Project
	hold      *instance.Hold
	// owner is the test whose end is the stack's; nil where tests share it.
	owner testing.TB
	// begun says that something may be on the engine.
	begun bool
	// changing lets one plan at a time be made and carried out.
	changing sync.Mutex
	// asked has for each service how long after its last start it was worth asking its check; see [runner.Options].
	asked sync.Map
}

func newSession(file string, given []Option) *session {
	s := &session{o: optionsOf(file, given)}
	if dir, err := instance.StateDir(s.getenv); err == nil {
		s.state, s.instances = dir, instance.Registry(filepath.Join(dir, "instances"))
	}
	return s
}

func (s *session) getenv(key string) string {
	for _, variable := range slices.Backward(s.o.environ) {
		if value, ok := strings.CutPrefix(variable, key+"="); ok {
			return value
		}
	}
	return ""
}

// begin loads the files and brings up what they declare, until it is ready. What it has begun when it fails, end removes.
func (s *session) begin(ctx context.Context, log func(string, ...any), me lock.Holder, expires time.Time) error {
	var err error
	if s.on, err = s.o.open(); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	for _, w := range s.want.Warnings {
		log("warning: %v", (*project.Error)(&w))
	}
	if _, err := s.on.Observe(ctx, planner.Scope{Project: s.want.Name}); err != nil { // before anything is taken
		return err
	}
	id, err := s.on.ID(ctx)
	if err != nil {
		return err
	}
	if err := s.sweep(ctx, id, me); err != nil {
		log("clear away what other tests have left: %v", err)
	}
	if s.hold, err = s.instances.Hold(s.want.Copy(), me); err != nil {
		return err
	}
	s.want.Expires = expires
	if err := s.instances.Expire(s.want.Copy(), expires); err != nil {
		return err
	}
	if err := s.instances.On(s.want.Copy(), id); err != nil {
		return err
	}
	s.begun = true
	how := planner.Policy{Services: s.o.services, Wait: true, WaitTimeout: s.o.wait}
	if s.o.snapshot != "" {
		if how.Restore, err = s.restores(s.o.snapshot, nil); err != nil {
			return err
		}
	}
	return s.bring(ctx, how)
}

// load reads the files as those of an instance with a name that no other has.
func (s *session) load(ctx context.Context) error {
	var free instance.Free
	local := runner.HostName(s.on.Host()) == "localhost"
	if local {
		free = instance.Listening
	}
	o := project.Options{
		Files: slices.Clone(s.o.files), Instance: "test-" + strings.ToLower(rand.Text()[:8]),
		HostPorts: func(of project.Copy, fixed []project.HostPort) ([]int, error) {
			return s.instances.Ports(of, time.Now(), fixed, free)
		},
		Profiles: s.o.profiles, Services: s.o.services, Environ: s.o.environ,
	}
	if more := s.publishing(local); more != "" {
		o.Files, o.Stdin = append(o.Files, "-"), strings.NewReader(more)
	}
	var err error
	s.want, err = project.Load(ctx, o)
	return err
}

// publishing is a Compose file with the ports that are published beside those of the files; empty without any.
func (s *session) publishing(local bool) string {
	if len(s.o.published) == 0 {
		return ""
	}
	by, address := map[string][]int{}, ""
	if local {
		address = "127.0.0.1::" // nobody else has to reach it
	}
	for _, p := range s.o.published {
		by[p.service] = append(by[p.service], p.port)
	}
	var b strings.Builder
	b.WriteString("services:\n")
	for service, ports := range by {
		fmt.Fprintf(&b, "  %q:\n    ports:\n", service)
		for _, port := range ports {
			fmt.Fprintf(&b, "      - \"%s%d\"\n", address, port)
		}
	}
	return b.String()
}

// bring plans the way to what is wanted and goes it. Images that are wanted anew come first, and only then is known what they change.
func (s *session) bring(ctx context.Context, how planner.Policy) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	how.IgnoreOrphans, how.Now = true, time.Now()
	have, err := s.survey(ctx, how)
	if err != nil {
		return err
	}
	images, err := planner.Images(s.want, have, how)
	if err != nil {
		return err
	}
	if len(images.Steps) > 0 {
		if err := s.run(ctx, images); err != nil {
			return err
		}
		if have, err = s.survey(ctx, how); err != nil {
			return err
		}
	}
	plan, err := planner.Build(s.want, have, how)
	if err != nil {
		return err
	}
	return s.run(ctx, plan)
}

// survey is what a plan has to know.
func (s *session) survey(ctx context.Context, how planner.Policy) (planner.State, error) {
	have, err := s.on.Observe(ctx, planner.ScopeOf(s.want))
	if err != nil {
		return have, err
	}
	return have, runner.Inspect(ctx, s.on, &have, planner.Unsure(s.want, have, how))
}

// change carries out a plan about what exists.
func (s *session) change(
	ctx context.Context, how planner.Policy, plans func(*project.Project, planner.State, planner.Policy) (planner.Plan, error),
) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	how.Now = time.Now()
	have, err := s.on.Observe(ctx, planner.ScopeOf(s.want))
	if err != nil {
		return err
	}
	plan, err := plans(s.want, have, how)
	if err != nil {
		return err
	}
	return s.run(ctx, plan)
}

func (s *session) run(ctx context.Context, plan planner.Plan) error {
	return runner.Run(ctx, plugin.Wrap(s.on, plugin.Options{Environ: s.o.environ}), plan, runner.Options{
		Health: s.on.Health(s.want.Name),
		Asked: func(service string) time.Duration {
			last, _ := s.asked.Load(service)
			asked, _ := last.(time.Duration)
			return asked
		},
		Passed: func(service string, asked time.Duration) { s.asked.Store(service, asked) },
	})
}

// end removes all that was made and gives back what was taken.
func (s *session) end(ctx context.Context) error {
	var failed error
	if s.begun {
		failed = s.remove(ctx, s.want.Name)
		s.begun = failed != nil
	}
	if s.want != nil && failed == nil {
		failed = s.instances.Forget(s.want.Name)
	}
	// Where something is left, the instance stays known as one that nobody holds any more; the lock itself ends with the process.
	if s.hold != nil && failed == nil {
		failed = s.hold.Release()
	}
	if s.on != nil {
		failed = errors.Join(failed, s.on.Close())
	}
	return failed
}

// remove takes an instance down, with its data and the images that were built for it.
func (s *session) remove(ctx context.Context, name string) error {
	have, err := s.on.Observe(ctx, planner.Scope{Project: name})
	if err != nil {
		return err
	}
	plan, err := planner.Removal(name, have, time.Now())
	if err != nil {
		return err
	}
	return s.run(ctx, plan)
}

// sweep removes what processes have left of this stack on this engine that held it and have ended.
func (s *session) sweep(ctx context.Context, engine string, me lock.Holder) error {
	all, err := s.instances.List()
	if err != nil {
		return err
	}
	var failed error
	for _, r := range all {
		if r.First == s.want.First && r.Dir == s.want.WorkingDir && r.Held && !r.Elsewhere(engine) && !s.instances.Held(r.Project) {
			failed = errors.Join(failed, s.clear(ctx, r, me))
		}
	}
	return failed
}

// clear removes an instance that is nobody's, unless another program does so already.
func (s *session) clear(ctx context.Context, r instance.Record, me lock.Holder) error {
	release, err := s.instances.Seize(r.Project, me)
	if instance.IsHeld(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	have, err := s.on.Observe(ctx, planner.Scope{Project: r.Project})
	if err != nil {
		return err
	}
	if len(have.Containers)+len(have.Networks)+len(have.Volumes) == 0 {
		return nil // it may be on another engine
	}
	if err := s.remove(ctx, r.Project); err != nil {
		return fmt.Errorf("remove %s: %w", r.Project, err)
	}
	return s.instances.Forget(r.Project)
}

// containers are those of a service, or of all services, that are no one-offs.
func (s *session) containers(ctx context.Context, service string) ([]planner.Container, error) {
	have, err := s.on.Observe(ctx, planner.Scope{Project: s.want.Name})
	if err != nil {
		return nil, err
	}
	var out []planner.Container
	for _, c := range have.Containers {
		if !c.OneOff && (service == "" || c.Service == service) {
			out = append(out, c)
		}
	}
	return out, nil
}
