package instance

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/project"
)

// Lease says how long an instance is needed. The zero value is: until somebody removes it.
//
// A time is also written on all that is made for the instance on the engine, so that anybody can clear away after a job whose
// machine, and with it this registry, is gone. That a program holds an instance is only known here: no other machine can tell whether it still runs.
type Lease struct {
	Expires time.Time `json:"expires,omitzero"`
	// Held says that it is needed while a program holds it and no longer. Holder is who that is or was, for people.
	Held   bool        `json:"held,omitempty"`
	Holder lock.Holder `json:"holder,omitzero"`
}

// HeldError says that another program holds an instance.
type HeldError struct {
	Project string
	Holder  lock.Holder
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("instance %s is held by %s", e.Project, e.Holder)
}

// Hint says how to go on.
func (e *HeldError) Hint() string {
	return "wait for it to end, or take another instance with --instance"
}

// Hold is an instance that this program holds.
type Hold struct {
	registry Registry
	project  string
	held     *lock.Held
}

// Hold keeps an instance for as long as this program runs, or until [Hold.Release]. It is a lock of the operating system on a file, so that it ends with
// the program however that ends, and no other one that gets its process number is taken for it. From then on the instance is nobody's, and
// muster gc removes it. Begin it before anything is made on the engine. The error is a [HeldError] where another program has it.
func (r Registry) Hold(of project.Copy, me lock.Holder) (*Hold, error) {
	h := &Hold{registry: r, project: of.Project}
	if r == "" {
		return h, nil // nothing is kept; what has a time is found by its labels
	}
	held, holder, err := r.holds().Take(of.Project, me)
	switch {
	case err != nil:
		return nil, fmt.Errorf("hold instance %s: %w", of.Project, err)
	case held == nil:
		return nil, &HeldError{of.Project, holder}
	}
	h.held = held
	err = r.change(func(all map[string]Record) error {
		record, had := all[of.Project]
		if !had {
			record = Record{Project: of.Project, Used: me.Since}
		}
		record.First, record.Name, record.Dir = of.First, of.Name, of.Dir
		record.Held, record.Holder = true, me
		all[of.Project] = record
		return nil
	})
	if err != nil {
		held.Release()
		return nil, err
	}
	return h, nil
}

// Release leaves the instance to itself, as one that nobody ever held. Where it was removed, [Registry.Forget] it first.
func (h *Hold) Release() error {
	if h.held == nil {
		return nil
	}
	err := h.registry.change(func(all map[string]Record) error {
		if record, there := all[h.project]; there {
			record.Held, record.Holder = false, lock.Holder{}
			all[h.project] = record
		}
		return nil
	})
	h.held.Release()
	h.held = nil
	return err
}

// Seize takes an instance that is to be removed, so that nobody begins to use it meanwhile; release ends that. The error is a [HeldError]
// where a program holds it.
func (r Registry) Seize(name string, me lock.Holder) (release func(), err error) {
	if r == "" {
		return func() {}, nil
	}
	held, holder, err := r.holds().Take(name, me)
	if err != nil {
		return nil, fmt.Errorf("hold instance %s: %w", name, err)
	}
	if held == nil {
		return nil, &HeldError{name, holder}
	}
	return held.Release, nil
}

// Held says whether a program holds an instance now.
func (r Registry) Held(name string) bool { return r != "" && r.holds().Held(name) }

// Expire lets an instance end at a time; the zero time is never.
func (r Registry) Expire(of project.Copy, at time.Time) error {
	return r.note(of, func(record *Record) { record.Expires = at })
}

// Find is one instance; false where it is not kept, or the list cannot be read.
func (r Registry) Find(name string) (Record, bool) {
	all, err := r.read()
	record, there := all[name]
	return record, err == nil && there
}

// Over says why a lease is over, and nothing while it is not. One that a program holds is not over, whatever its time.
func (r Registry) Over(of Record, now time.Time) string {
	switch {
	case r.Held(of.Project):
		return ""
	case of.Held:
		return "what held it has ended: " + of.Holder.String()
	}
	return Expired(of.Expires, now)
}

// Expired says that a time is over, and nothing where it is not or where there is none.
func Expired(at, now time.Time) string {
	if at.IsZero() || now.Before(at) {
		return ""
	}
	return "it expired " + at.Local().Format("2006-01-02 15:04")
}

func (r Registry) holds() lock.Folder { return lock.Folder(filepath.Join(string(r), "held")) }

// IsHeld says whether an error is that another program holds the instance.
func IsHeld(err error) bool { return errors.As(err, new(*HeldError)) }
