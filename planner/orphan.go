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
		b.clearHooks(name)
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
