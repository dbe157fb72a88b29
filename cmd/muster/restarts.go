package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// heldRestarts is an engine that leaves the restarts of some containers to us, while we stay with them: no engine
// keeps a delay or a window. Their restart policy on the engine is taken off before they start and given back
// in the end. Should muster be killed in between, the note that labels are out of date lets the next plan mend it.
type heldRestarts struct {
	engine
	want     *project.Project
	policies map[string]planner.RestartRules // by service

	mu      sync.Mutex
	held    map[string]string // services by container
	awaited map[string]bool   // containers whose starts a plan waits for: the engine's restarts may save them
	noted   bool              // the note was not there before, or will not be
}

// holdRestarts takes over the restarts that want asks for and the engine does not keep. It is nil where there are none.
func holdRestarts(on engine, want *project.Project) *heldRestarts {
	h := &heldRestarts{engine: on, want: want, policies: map[string]planner.RestartRules{}, held: map[string]string{}, awaited: map[string]bool{}}
	for name, s := range want.Services {
		if r, more := planner.RestartRulesOf(s); more {
			h.policies[name] = r
		}
	}
	if len(h.policies) == 0 {
		return nil
	}
	return h
}

// expect reads what a plan is going to do.
func (h *heldRestarts) expect(plan planner.Plan, have planner.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	note := planner.NoteAdjusted(h.want.Name).Name
	h.noted = !slices.ContainsFunc(have.Volumes, func(v planner.Volume) bool { return v.Name == note })
	for _, s := range plan.Steps {
		switch a := s.Action.(type) {
		case planner.Await:
			h.awaited[a.Name] = true
		case planner.RemoveVolume:
			h.noted = h.noted || a.Name == note
		}
	}
}

// Apply does an action, and takes over before a start.
func (h *heldRestarts) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	switch a := a.(type) {
	case planner.StartContainer:
		if h.holds(a.Service, a.Name) {
			if err := h.hold(ctx, a.Name, a.Service); err != nil {
				return err
			}
		}
	case planner.RenameContainer:
		h.mu.Lock()
		if service, held := h.held[a.Name]; held {
			delete(h.held, a.Name)
			h.held[a.To] = service
		}
		h.mu.Unlock()
	}
	return h.engine.Apply(ctx, a, report)
}

func (h *heldRestarts) holds(service, container string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ours := h.policies[service]
	return ours && !h.awaited[container] && h.held[container] == ""
}

// hold takes the policy off one container.
func (h *heldRestarts) hold(ctx context.Context, container, service string) error {
	if err := h.engine.Apply(ctx, planner.NoteAdjusted(h.want.Name), nil); err != nil {
		return err
	}
	if err := h.set(ctx, container, service, "no"); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[container] = service
	return nil
}

// set gives a container a restart policy, and leaves its limits; that of processes has to be said again.
func (h *heldRestarts) set(ctx context.Context, container, service, policy string) error {
	full, err := planner.SettingsOf(h.want.Services[service])
	if err != nil {
		return err
	}
	if policy == "" {
		policy = full.Restart
	}
	return h.engine.Apply(ctx, planner.UpdateContainer{
		Name: container, Service: service, Settings: planner.Settings{Restart: policy, Pids: full.Pids},
	}, nil)
}

// holdAll takes over what runs once the plan is done.
func (h *heldRestarts) holdAll(ctx context.Context) error {
	h.mu.Lock()
	clear(h.awaited)
	h.mu.Unlock()
	have, err := h.Observe(ctx, planner.Scope{Project: h.want.Name})
	if err != nil {
		return err
	}
	for _, c := range have.Containers {
		if !c.OneOff && h.holds(c.Service, c.Name) {
			if err := h.hold(ctx, c.Name, c.Service); err != nil {
				return err
			}
		}
	}
	return nil
}

// releaseWithin is how long the engine has to take the restarts back when we go.
const releaseWithin = 10 * time.Second

// release gives the engine its restarts back.
func (h *heldRestarts) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == 0 {
		return nil
	}
	have, err := h.Observe(ctx, planner.Scope{Project: h.want.Name})
	if err != nil {
		return err
	}
	for _, c := range have.Containers {
		if service := h.held[c.Name]; service != "" {
			if err := h.set(ctx, c.Name, service, ""); err != nil {
				return err
			}
		}
	}
	clear(h.held)
	if !h.noted {
		return nil
	}
	return h.engine.Apply(ctx, planner.RemoveVolume{Name: planner.NoteAdjusted(h.want.Name).Name}, nil)
}

// next says whether a container that has ended is started again.
func (h *heldRestarts) next(service string, code int, ran time.Duration, attempt bool, failed int) (again bool, pause time.Duration, nowFailed int) {
	policy, ours := h.policies[service]
	if !ours {
		return false, 0, failed
	}
	return policy.Next(code, ran, attempt, failed)
}

// again starts a container and runs the hooks that come after.
func (h *heldRestarts) again(ctx context.Context, container, service string) error {
	have, err := h.Observe(ctx, planner.ScopeOf(h.want))
	if err != nil {
		return err
	}
	have.Containers = slices.DeleteFunc(have.Containers, func(c planner.Container) bool { return c.Name != container })
	plan, err := planner.Start(h.want, have, planner.Policy{Services: []string{service}, NoDeps: true})
	if err != nil {
		return err
	}
	return runner.Run(ctx, h, plan, runner.Options{Health: h.Health(h.want.Name)})
}
