// Package listing is what `ps` prints: which containers, and how they look.
//
// It prints the same for the usual ps and for the one that is answered before most of the program is set up (see the package again), for which it imports
// nothing that is set up late: no templates, and no table but its own. That one gets containers from the engine's list by [Decode].
package listing

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// A View says what a ps shows, and how. It can be kept as JSON.
type View struct {
	// Project is the name of the stack.
	Project string
	// All shows stopped containers as well, and those of run.
	All bool
	// Status are the only states to show; none is all that All does not leave out.
	Status []string
	// Named are the only services to show; none is all.
	Named []string
	// Undeclared are those of Named that the files do not have: it is a mistake to name one that has no container either.
	Undeclared []string
	// NoOrphans leaves out services that are not Declared.
	NoOrphans bool
	Declared  []string
	// Whole shortens nothing.
	Whole bool
	// As is empty where a template shows the rows.
	As Form
}

// Form is how containers are shown.
type Form string

// The forms that need no templates.
const (
	Table    Form = "table"
	JSON     Form = "json"     // an object a line
	IDs      Form = "ids"      // an ID a line
	Services Form = "services" // the names of services, each once
)

// Container is what of a container is shown. Mounts and networks are in the order in which they are shown.
type Container struct {
	ID, Name, Service, Image, Command, Node string
	// Status is the engine's word for what it does, Since its words for how long.
	Status, Since, Health string
	OneOff                bool
	ExitCode              int
	Created               time.Time
	Labels                map[string]string
	Networks              []string
	Mounts                []Mount
	Ports                 []Port
}

// Mount is what is mounted into a container.
type Mount struct{ Type, Name, Source string }

// Port is one that a container listens at.
type Port struct {
	HostIP    string
	Published int // 0: exposed only
	Target    int
	Protocol  string
}

// Up says whether the engine counts a container in a state among those that run.
func Up(status string) bool {
	return status == "running" || status == "paused" || status == "restarting"
}

// Mistaken says whether a service was named that is not there.
func (v View) Mistaken(of []Container) bool {
	return slices.ContainsFunc(v.Undeclared, func(name string) bool {
		return !slices.ContainsFunc(of, func(c Container) bool { return c.Service == name })
	})
}

// Rows are those that are shown of the containers of a stack.
func (v View) Rows(of []Container, now time.Time) []Row {
	var rows []Row
	for _, c := range of {
		if v.lists(c) {
			row := newRow(c, v.Project, now, !v.Whole)
			if v.As == JSON || v.As == "" { // half of the work, and nothing else shows them
				row.Labels = labelsText(c.Labels)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// lists says whether a container is shown.
func (v View) lists(c Container) bool {
	switch {
	case len(v.Named) > 0 && !slices.Contains(v.Named, c.Service):
		return false
	case v.NoOrphans && !slices.Contains(v.Declared, c.Service):
		return false
	case c.OneOff && !v.All:
		return false
	case len(v.Status) > 0:
		return slices.Contains(v.Status, c.Status)
	}
	return v.All || Up(c.Status)
}

// Text is what is printed; ok is false where that takes a template.
func (v View) Text(rows []Row) (text []byte, ok bool) {
	var out bytes.Buffer
	switch v.As {
	case IDs:
		for _, r := range rows {
			out.WriteString(r.fullID + "\n")
		}
	case Services:
		var names []string
		for _, r := range rows {
			if !slices.Contains(names, r.Service) {
				names = append(names, r.Service)
				out.WriteString(r.Service + "\n")
			}
		}
	case JSON:
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		for _, r := range rows {
			if encoder.Encode(r) != nil {
				return nil, false
			}
		}
	case Table:
		return table(rows)
	default:
		return nil, false
	}
	return out.Bytes(), true
}
