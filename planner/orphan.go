package planner

import (
	"fmt"
	"strings"
)

// planOrphans deals with containers of services that the files no longer have. Those of services that merely
// are not active, and those that run made, are left alone.
func (b *builder) planOrphans() {
	orphans := b.orphans()
	if len(orphans) == 0 {
		return
	}
	if !b.how.RemoveOrphans {
		if !b.how.IgnoreOrphans {
			b.warn("%s; remove with `muster up --remove-orphans`", orphanText(orphans))
		}
		return
	}
	byService := map[string][]*Container{}
	for _, c := range orphans {
		byService[c.Service] = append(byService[c.Service], c)
	}
	for _, name := range keys(byService) {
		why := []Change{{Path: "services." + name, From: "orphan"}}
		for _, c := range byService[name] {
			b.discard(c, why)
		}
		summary := "orphan, remove"
		if n := len(byService[name]); n > 1 {
			summary += " " + plural(n, "container")
		}
		b.items = append(b.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Remove, Summary: summary, Impact: Replace})
	}
}

func orphanText(orphans []*Container) string {
	names := make([]string, len(orphans))
	for i, c := range orphans {
		names[i] = c.Name
	}
	if len(names) == 1 {
		return names[0] + " belongs to no service of the file (orphan)"
	}
	return fmt.Sprintf("%d containers belong to no service of the file (orphans): %s", len(names), strings.Join(names, ", "))
}

// orphans are the containers of no known service, by service and number.
func (b *builder) orphans() []*Container {
	var out []*Container
	for _, name := range keys(b.have.services) {
		if !b.knows(name) {
			out = append(out, b.have.services[name]...)
		}
	}
	return out
}

// knows says whether the files have a service, active or not. The project may have
// been loaded with a few services only; its model has them all.
func (b *builder) knows(name string) bool {
	if _, ok := b.want.Services[name]; ok {
		return true
	}
	if _, ok := b.want.Inactive[name]; ok {
		return true
	}
	if m := b.want.Model; m != nil {
		if _, ok := m.Services[name]; ok {
			return true
		}
		_, ok := m.DisabledServices[name]
		return ok
	}
	return false
}

// yieldPorts lets whoever takes a fixed host port wait until the plan has stopped the one that holds it.
func (b *builder) yieldPorts() {
	holders := map[string][]*Container{}
	for _, name := range keys(b.have.containers) {
		c := b.have.containers[name]
		if !c.up() {
			continue
		}
		for _, p := range c.Ports {
			if p.Published > 0 {
				key := fmt.Sprintf("%d/%s", p.Published, p.Protocol)
				holders[key] = append(holders[key], c)
			}
		}
	}
	if len(holders) == 0 {
		return
	}
	for _, step := range b.graph.steps {
		a, ok := step.Action.(StartContainer)
		if !ok || b.services[a.Service] == nil {
			continue
		}
		for _, p := range b.services[a.Service].spec.Ports {
			protocol := p.Protocol
			if protocol == "" {
				protocol = "tcp"
			}
			for _, c := range holders[p.Published+"/"+protocol] {
				stop := StepID("stop " + c.Name)
				if b.graph.byID[stop] != nil && c.Name != a.Name {
					b.graph.wishes[step.ID] = append(b.graph.wishes[step.ID], stop)
				}
			}
		}
	}
}

// yieldNames lets whoever takes a name wait until the plan has freed it.
func (b *builder) yieldNames() {
	freed := map[string]StepID{}
	for _, step := range b.graph.steps {
		switch a := step.Action.(type) {
		case RemoveContainer:
			freed[a.Name] = step.ID
		case RenameContainer:
			if b.have.containers[a.Name] != nil {
				freed[a.Name] = step.ID
			}
		}
	}
	for _, step := range b.graph.steps {
		var taken string
		switch a := step.Action.(type) {
		case CreateContainer:
			taken = a.Name
		case RenameContainer:
			taken = a.To
		}
		if id, ok := freed[taken]; ok && taken != "" && b.have.containers[taken] != nil && id != step.ID {
			b.graph.wishes[step.ID] = append(b.graph.wishes[step.ID], id)
		}
	}
}
