package watch

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/musterhq/muster/project"
)

// Stack is what the watched services run in. Its methods are called for different services at the same time. What fails is
// the stack's to tell; the session only goes on.
type Stack interface {
	// Sync brings files into the containers of a service, and takes others away.
	Sync(ctx context.Context, service string, files Files) error
	// Exec runs a command in the containers of a service.
	Exec(ctx context.Context, service string, command project.ServiceHook) error
	// Restart restarts the containers of a service.
	Restart(ctx context.Context, service string) error
	// Rebuild builds the images of services and has their containers run them.
	Rebuild(ctx context.Context, services []string) error
}

// Session does for the services of a stack what changes ask for: first it rebuilds, then it syncs, restarts and executes.
// What changes for a service while something is done for it is done next. Services do not wait for each other, except that
// they are rebuilt together or one after the other.
type Session struct {
	rules []Rule
	stack Stack
	// reload is called where one of the files changes that apart lists.
	reload func(context.Context) ([]Rule, error)
	apart  func() []string
	memory memory

	// What follows belongs to [Session.Run].
	pending    map[string]*work
	owed       map[string]Files // what could not be synced, and is tried again with the next change
	busy       map[string]bool
	rebuilding bool
	stale      bool // a file of apart has changed
	done       chan finished
}

// finished says what has been done.
type finished struct {
	services []string
	rebuilt  bool
	owed     map[string]Files // what could not be synced
}

// NewSession prepares. Where a file of apart changes, reload says the rules from then on; with an error they stay.
func NewSession(rules []Rule, stack Stack, apart func() []string, reload func(context.Context) ([]Rule, error)) *Session {
	return &Session{
		rules: rules, stack: stack, apart: apart, reload: reload, memory: memory{},
		pending: map[string]*work{}, owed: map[string]Files{}, busy: map[string]bool{}, done: make(chan finished),
	}
}

// Begin brings the files over that rules ask for initially.
func (s *Session) Begin(ctx context.Context) error {
	var errs []error
	for _, service := range s.services() {
		if files := s.beginning(service); !files.Empty() {
			s.remember(service, files)
			errs = append(errs, s.stack.Sync(ctx, service, files))
		}
	}
	return errors.Join(errs...)
}

// services are those that have rules, sorted.
func (s *Session) services() []string {
	by := map[string]bool{}
	for _, r := range s.rules {
		by[r.Service] = true
	}
	return slices.Sorted(maps.Keys(by))
}

// Run works until ctx or the batches end, and comes back when nothing is under way any more.
func (s *Session) Run(ctx context.Context, batches <-chan Batch) {
	for batches != nil || len(s.busy) > 0 {
		select {
		case batch, ok := <-batches:
			if !ok {
				batches = nil
				continue
			}
			s.take(batch)
		case f := <-s.done:
			for _, service := range f.services {
				delete(s.busy, service)
			}
			s.rebuilding = s.rebuilding && !f.rebuilt
			maps.Copy(s.owed, f.owed)
		}
		if ctx.Err() != nil {
			continue // what has begun is waited for, nothing else begins
		}
		s.renew(ctx)
		s.dispatch(ctx)
	}
}

// take notes what a batch asks for.
func (s *Session) take(batch Batch) {
	for _, name := range s.apart() {
		if batch[name] {
			s.stale = true
		}
	}
	s.sort(batch, s.pending)
}

// renew reads the rules anew once nothing is under way; what was asked for by the old ones is still done.
func (s *Session) renew(ctx context.Context) {
	if !s.stale || len(s.busy) > 0 {
		return
	}
	s.stale = false
	rules, err := s.reload(ctx)
	if err != nil {
		return
	}
	s.rules = rules
	// The numbers of rules change: where a command waits, all of the service's commands run.
	for service, w := range s.pending {
		waits := len(w.exec) > 0
		w.exec = map[int]bool{}
		for i, r := range rules {
			if waits && r.Service == service && r.Action == SyncExec {
				w.exec[i] = true
			}
		}
	}
	_ = s.Begin(ctx) // the stack has told
}

// dispatch begins whatever can begin.
func (s *Session) dispatch(ctx context.Context) {
	if s.stale {
		return // nothing new until the rules are known
	}
	var rebuild []string
	for _, service := range slices.Sorted(maps.Keys(s.pending)) {
		w := s.pending[service]
		switch {
		case s.busy[service], w.rebuild && s.rebuilding:
		case w.rebuild:
			rebuild = append(rebuild, service)
		default:
			t := s.begin(service)
			go func() {
				s.done <- finished{services: []string{service}, owed: t.run(ctx, s.stack)}
			}()
		}
	}
	if len(rebuild) == 0 {
		return
	}
	s.rebuilding = true
	var tasks []task
	for _, service := range rebuild {
		tasks = append(tasks, s.begin(service))
	}
	go func() {
		f := finished{services: rebuild, rebuilt: true, owed: map[string]Files{}}
		err := s.stack.Rebuild(ctx, rebuild)
		for _, t := range tasks {
			if err != nil {
				f.owed[t.service] = t.files
				continue
			}
			maps.Copy(f.owed, t.run(ctx, s.stack))
		}
		s.done <- f
	}()
}

// task is the work for one service as it is done.
type task struct {
	service string
	files   Files
	restart bool
	exec    []project.ServiceHook
}

// begin takes what waits for a service.
func (s *Session) begin(service string) task {
	w := s.pending[service]
	delete(s.pending, service)
	s.busy[service] = true
	files := w.files()
	if w.rebuild { // what was brought to the old containers, the new ones do not have
		files = s.beginning(service).then(files)
	}
	files = s.owed[service].then(files)
	delete(s.owed, service)
	s.remember(service, files)
	return task{service: service, files: files, restart: w.restart, exec: s.hooks(w.exec)}
}

// remember notes what the containers have been given.
func (s *Session) remember(service string, files Files) {
	for _, gone := range files.Remove {
		for to := range s.memory[service] {
			if to == gone || within(gone, to) {
				delete(s.memory[service], to)
			}
		}
	}
	for _, f := range files.Copy {
		s.memory.note(service, f.To, f.From)
	}
}

// run does it; what depends on a step that failed is left out. The answer is what could not be synced.
func (t task) run(ctx context.Context, stack Stack) map[string]Files {
	if !t.files.Empty() && stack.Sync(ctx, t.service, t.files) != nil {
		return map[string]Files{t.service: t.files}
	}
	if t.restart && stack.Restart(ctx, t.service) != nil {
		return nil
	}
	for _, command := range t.exec {
		if stack.Exec(ctx, t.service, command) != nil {
			return nil
		}
	}
	return nil
}
