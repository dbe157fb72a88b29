package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/planner"
)

// State is everything that an engine holds, in the form in which it is saved.
// Tests may write it by hand.
type State struct {
	Engine     planner.EngineInfo
	Seq        int                         `json:",omitempty"` // of IDs and addresses
	Containers map[string]*Container       `json:",omitempty"` // by name
	Networks   map[string]*planner.Network `json:",omitempty"` // by name
	Volumes    map[string]*planner.Volume  `json:",omitempty"` // by name
	// Data is what the volumes have in them, as some text.
	Data     map[string]string `json:",omitempty"`
	Images   map[string]*Image `json:",omitempty"` // local ones, by ID
	Registry map[string]*Image `json:",omitempty"` // what can be pulled, by reference
	// Behaviours say how containers act, by the container's name, else its
	// service, else its image reference.
	Behaviours map[string]Behaviour `json:",omitempty"`
	// Sources stand for what a service is built from; another text gives
	// another image.
	Sources map[string]string `json:",omitempty"`
	// Latency is how long actions take, by type name: "StartContainer".
	Latency map[string]Span `json:",omitempty"`
	Faults  []*Fault        `json:",omitempty"`
	// Nodes are its machines, where it is an engine that keeps services by itself; else there are none. Deployed are those, and
	// Objects the configs and secrets by kind and name.
	Nodes    []planner.Node             `json:",omitempty"`
	Deployed map[string]*Deployed       `json:",omitempty"`
	Objects  map[string]*planner.Object `json:",omitempty"`
}

// Container is a container and what the engine alone knows of it.
type Container struct {
	planner.Container
	StartedAt time.Time
	EndedAt   time.Time
	Runs      int    `json:",omitempty"` // times it was started
	Restart   string `json:",omitempty"` // no, always, unless-stopped or on-failure
	// Attempts bounds the restarts of on-failure; 0 is no bound.
	Attempts int `json:",omitempty"`
	// Restarts counts those since it last ran for long; the pause grows with it.
	Restarts  int       `json:",omitempty"`
	RestartAt time.Time // with Status restarting
	ByHand    bool      `json:",omitempty"` // stopped by a call
	OOMKilled bool      `json:",omitempty"`
	Check     *Check    `json:",omitempty"`
	CheckAt   time.Time // the engine's next check
	Failing   int       `json:",omitempty"` // checks in a row
	LastProbe string    `json:",omitempty"`
	Grace     Span      `json:",omitempty"`
	// Publish are the ports to publish; Ports are those that are.
	Publish []Publish `json:",omitempty"`
	// Spaces are the IDs of the containers whose network, ipc or pid namespace it uses.
	Spaces []string `json:",omitempty"`
	// Static are addresses that were asked for, by network.
	Static map[string]string `json:",omitempty"`
	Hooks  []string          `json:",omitempty"` // that ran in it
	// AutoRemove removes it when it has ended.
	AutoRemove bool `json:",omitempty"`
}

// Publish is a port to publish: on one host port, on one of a range, or, with
// Published 0, on any.
type Publish struct {
	planner.Port
	Last int `json:",omitempty"` // of the range
}

// Check is a container's health check.
type Check struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval Span
	Retries                                       int `json:",omitempty"`
}

// Image is an image and how its containers are.
type Image struct {
	planner.Image
	Check *Check `json:",omitempty"`
	// Volumes are the paths that it declares as volumes.
	Volumes []string `json:",omitempty"`
}

// Span is a time span that saves as text, such as "300ms".
type Span time.Duration

// MarshalText gives Go's form.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads Go's form.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Span(d)
	return err
}

func (s *State) fill() {
	if s.Engine == (planner.EngineInfo{}) {
		s.Engine = planner.EngineInfo{API: "1.51", Name: "memory", OS: "linux", Arch: "amd64", LateNetworks: true}
	}
	ensure(&s.Containers)
	ensure(&s.Networks)
	ensure(&s.Volumes)
	ensure(&s.Data)
	ensure(&s.Images)
	ensure(&s.Registry)
	ensure(&s.Behaviours)
	ensure(&s.Sources)
	ensure(&s.Latency)
	ensure(&s.Deployed)
	ensure(&s.Objects)
}

func ensure[V any](m *map[string]V) {
	if *m == nil {
		*m = map[string]V{}
	}
}

// Load makes an engine from a file that [Engine.Save] or a test has written. A file
// that does not exist is an empty engine.
func Load(file string) (*Engine, error) {
	e := New()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load engine: %w", err)
	}
	if err := e.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("load engine from %s: %w", file, err)
	}
	return e, nil
}

// UnmarshalJSON replaces all that the engine holds.
func (e *Engine) UnmarshalJSON(text []byte) error {
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	s.fill()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.timers {
		t.Stop()
	}
	e.s = s
	e.faults = s.Faults
	for name, c := range s.Containers {
		c.Name = name
		e.plan(c)
	}
	// What came due while no process had the engine has happened: who looks first must see it.
	for _, c := range s.Containers {
		if due := e.next(c); !due.IsZero() && !due.After(time.Now()) {
			e.advance(c)
		}
	}
	for name, n := range s.Networks {
		n.Name = name
		if n.ID == "" {
			n.ID = e.newID("network" + name)
		}
	}
	for name, v := range s.Volumes {
		v.Name = name
	}
	return nil
}

// MarshalJSON gives all that the engine holds.
func (e *Engine) MarshalJSON() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.s
	s.Faults = e.faults
	return json.MarshalIndent(s, "", "  ")
}

// Save writes the engine to a file, at once or not at all.
func (e *Engine) Save(file string) error {
	text, err := e.MarshalJSON()
	if err != nil {
		return fmt.Errorf("save engine: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".engine-*")
	if err != nil {
		return fmt.Errorf("save engine: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("save engine: %w", err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("save engine: %w", err)
	}
	return nil
}

// AddImage puts an image on the engine under a reference. An ID is made up
// where there is none.
func (e *Engine) AddImage(ref string, image Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tag(ref, &image)
}

// Publish makes an image that can be pulled.
func (e *Engine) Publish(ref string, image Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if image.ID == "" {
		image.ID = "sha256:" + e.newID("image"+ref)
	}
	e.s.Registry[familiar(ref)] = &image
}

// Behave says how containers act, by the container's name, its service or its
// image reference.
func (e *Engine) Behave(whose string, b Behaviour) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Behaviours[whose] = b
}

// SetLatency says how long actions of one type take, such as "StartContainer".
func (e *Engine) SetLatency(kind string, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Latency[kind] = Span(d)
}

// SetSource changes what a service's image is built from.
func (e *Engine) SetSource(service, source string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Sources[service] = source
}

// Put adds what is given, as if it had been there before: containers that
// run, networks, volumes and images.
func (e *Engine) Put(s planner.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range s.Networks {
		if n.ID == "" {
			n.ID = e.newID("network" + n.Name)
		}
		n.Labels = maps.Clone(n.Labels)
		e.s.Networks[n.Name] = &n
	}
	for _, v := range s.Volumes {
		v.Labels = maps.Clone(v.Labels)
		e.s.Volumes[v.Name] = &v
	}
	for _, i := range s.Images {
		if i.ID == "" {
			i.ID = "sha256:" + e.newID("image")
		}
		e.s.Images[i.ID] = &Image{Image: i}
	}
	for _, c := range s.Containers {
		if c.ID == "" {
			c.ID = e.newID("container" + c.Name)
		}
		c.Labels = maps.Clone(c.Labels)
		full := &Container{Container: c, StartedAt: time.Now()}
		e.s.Containers[c.Name] = full
		e.plan(full)
	}
}
