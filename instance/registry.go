// Package instance remembers the copies of stacks that one user has on one machine: which host ports each of them has, where its files
// lie, when it was last used, and how long it is needed.
//
// What runs is only told by the engine. This is for what the engine cannot tell: that a port is spoken for by a copy that does not run now, so
// that it is the same one tomorrow.
package instance

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"github.com/musterhq/muster/project"
)

// Registry is the folder of one user in which it is kept. The zero value keeps nothing.
type Registry string

// Record is one instance.
type Record struct {
	Project string                   `json:"project"` // its name on the engine
	First   string                   `json:"first"`   // that of the first copy
	Name    string                   `json:"name"`
	Dir     string                   `json:"dir"`   // of its files
	Ports   map[project.HostPort]int `json:"ports"` // that it has in the place of those of the files
	Used    time.Time                `json:"used"`  // for the last time by a command that changes something
	// Engine is the ID of the one that it was brought up on last; empty where it never was.
	Engine string `json:"engine,omitempty"`
	Lease
}

// maxTries bounds how many ports are tried for one.
const maxTries = 200

// Free says whether nobody listens on a port of this machine.
type Free func(project.HostPort, int) bool

// Ports chooses the host ports of an instance and keeps them: those that it had before, and for the others ports that are free now and that
// no other instance has. Two programs that choose at the same time get different ones. A nil free takes each for free, where the engine is elsewhere.
func (r Registry) Ports(of project.Copy, now time.Time, fixed []project.HostPort, free Free) ([]int, error) {
	if r == "" {
		return project.DerivedPorts(of, fixed)
	}
	me := Record{Project: of.Project, First: of.First, Name: of.Name, Dir: of.Dir, Used: now}
	out := make([]int, len(fixed))
	err := r.change(func(all map[string]Record) error {
		me.Lease, me.Engine = all[me.Project].Lease, all[me.Project].Engine
		if me.Ports = all[me.Project].Ports; me.Ports == nil {
			me.Ports = map[project.HostPort]int{}
		}
		taken := map[int]bool{}
		for name, other := range all {
			for h, port := range other.Ports {
				taken[port] = taken[port] || name != me.Project || slices.Contains(fixed, h)
			}
		}
		for i, h := range fixed {
			port, had := me.Ports[h]
			if !had {
				var err error
				if port, err = choose(me.Project, h, taken, free); err != nil {
					return err
				}
			}
			out[i], taken[port], me.Ports[h] = port, true, port
		}
		all[me.Project] = me
		return nil
	})
	return out, err
}

func choose(name string, h project.HostPort, taken map[int]bool, free Free) (int, error) {
	tries := 0
	for port := range h.Derived(name) {
		if taken[port] {
			continue
		}
		if free == nil || free(h, port) {
			return port, nil
		}
		if tries++; tries == maxTries {
			break
		}
	}
	return 0, fmt.Errorf("no free port found in place of %d for %s", h.Published, h.Service)
}

// Peek answers with the ports that an instance has, or would be given, and keeps nothing.
func (r Registry) Peek(of project.Copy, fixed []project.HostPort) ([]int, error) {
	out, err := project.DerivedPorts(of, fixed)
	if err != nil {
		return nil, err
	}
	all, err := r.read()
	if err != nil {
		return out, nil //nolint:nilerr // what is derived is the best guess
	}
	for i, h := range fixed {
		if port, had := all[of.Project].Ports[h]; had {
			out[i] = port
		}
	}
	return out, nil
}

// Listening is [Free] by trying to listen.
func Listening(h project.HostPort, port int) bool {
	address := net.JoinHostPort(h.HostIP, strconv.Itoa(port))
	if h.Protocol == "udp" {
		c, err := net.ListenPacket("udp", address) //nolint:noctx // it does not wait
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	}
	l, err := net.Listen("tcp", address) //nolint:noctx // it does not wait
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// List are all instances, by project.
func (r Registry) List() ([]Record, error) {
	all, err := r.read()
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out, nil
}

// On notes the engine that an instance is brought up on.
func (r Registry) On(of project.Copy, engine string) error {
	return r.note(of, func(record *Record) { record.Engine = engine })
}

// note changes the record of an instance, which it begins where there is none.
func (r Registry) note(of project.Copy, change func(*Record)) error {
	return r.change(func(all map[string]Record) error {
		record, had := all[of.Project]
		if !had {
			record = Record{Project: of.Project, First: of.First, Name: of.Name, Dir: of.Dir}
		}
		change(&record)
		all[of.Project] = record
		return nil
	})
}

// Elsewhere says that an instance is on another engine than the one with that ID, of which that one's state says nothing.
func (r Record) Elsewhere(engine string) bool { return r.Engine != "" && r.Engine != engine }

// Forget gives the ports of an instance back.
func (r Registry) Forget(name string) error {
	return r.change(func(all map[string]Record) error {
		delete(all, name)
		return nil
	})
}

func (r Registry) file() string { return filepath.Join(string(r), "instances.json") }

func (r Registry) read() (map[string]Record, error) {
	all := map[string]Record{}
	text, err := os.ReadFile(r.file())
	if errors.Is(err, os.ErrNotExist) || r == "" {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of instances: %w", err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("the list of instances %s cannot be read: %w; remove it to begin a new one, with which instances may get other ports", r.file(), err)
	}
	return all, nil
}

// change reads, changes and writes the list while nobody else does.
func (r Registry) change(how func(map[string]Record) error) error {
	if r == "" {
		return nil
	}
	if err := os.MkdirAll(string(r), 0o700); err != nil {
		return fmt.Errorf("keep the list of instances: %w", err)
	}
	lock := flock.New(filepath.Join(string(r), "instances.lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("keep the list of instances: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	all, err := r.read()
	if err != nil {
		return err
	}
	if err := how(all); err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the list of instances: %w", err)
	}
	made := r.file() + "." + rand.Text()
	defer func() { _ = os.Remove(made) }() // where it was not renamed
	if err := os.WriteFile(made, text, 0o600); err != nil {
		return fmt.Errorf("keep the list of instances: %w", err)
	}
	if err := os.Rename(made, r.file()); err != nil {
		return fmt.Errorf("keep the list of instances: %w", err)
	}
	return nil
}
