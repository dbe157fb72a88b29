package planner

import (
	"fmt"
	"slices"
	"strings"
)

// itemOf tells what the plan does to a service.
func (b *builder) itemOf(s *service, gates *gate) Item {
	item := Item{Ref: s.ref(), Verdict: Unchanged, After: gates.after, Containers: len(s.replicas)}
	t := tally{}
	for _, r := range s.replicas {
		t.add(r)
	}
	var parts []string
	switch {
	case s.fresh && t.created > 0:
		item.Verdict = Create
		parts = append(parts, "new service, "+plural(t.created, "replica"))
	case t.created > 0 || len(s.surplus) > 0:
		item.Verdict = Modify
		parts = append(parts, scaleText(s.had, len(s.replicas)))
	}
	if t.replaced > 0 {
		item.Verdict = Modify
		if !fileChanged(s) {
			item.Verdict = Mend
		}
		parts = append(parts, b.replacing(s, t.replaced)...)
	}
	if t.inPlace {
		item.Verdict = Modify
		parts = append(parts, "in place")
	}
	if len(t.mended) > 0 {
		if item.Verdict == Unchanged {
			item.Verdict = Mend
		}
		parts = append(parts, "drift: "+strings.Join(distinctInOrder(t.mended), "; "))
	}
	if t.rerun > 0 {
		if item.Verdict == Unchanged {
			item.Verdict = Modify
		}
		parts = append(parts, t.why)
	}
	if t.restarted > 0 {
		if item.Verdict == Unchanged {
			item.Verdict = Modify
		}
		parts = append(parts, t.why)
	}
	if b.how.NoStart && t.created+t.replaced > 0 {
		parts = append(parts, "not started")
	}
	if ref := b.want.ImageName(s.spec); b.ahead && item.Verdict == Unchanged && b.imageSteps[ref] != "" {
		item.Verdict = Modify
		parts = append(parts, "replace, if the new "+ref+" differs")
	}
	if n := b.leftHooks(s.name); n > 0 {
		if item.Verdict == Unchanged {
			item.Verdict = Mend
		}
		parts = append(parts, "drift: "+plural(n, "container")+" left over of its hooks → remove")
	}
	item.Summary = strings.Join(parts, "; ")
	item.Changes = t.changes
	item.Impact = t.impact
	if len(s.surplus) > 0 {
		item.Impact = max(item.Impact, Replace)
	}
	return item
}

// tally counts what becomes of a service's replicas.
type tally struct {
	created, replaced, rerun, restarted int
	inPlace                             bool // the file asks for what needs no other container
	mended                              []string
	why                                 string
	changes                             []Change
	impact                              Impact
	seen                                map[Change]bool
}

func (t *tally) add(r *replica) {
	for _, m := range r.mends {
		t.impact = max(t.impact, InPlace)
		if m.change.Drift {
			t.mended = append(t.mended, mendText(m))
			continue
		}
		t.inPlace = true
		t.note(m.change)
		for _, c := range append(m.adjust, m.place...) {
			t.note(c)
		}
	}
	for range r.litter {
		if r.verb == create {
			break
		}
		t.mended = append(t.mended, "left over from an interrupted run → remove")
	}
	switch r.verb {
	case create:
		if r.migrated != nil {
			t.replaced++
			t.impact = max(t.impact, Replace)
			for _, c := range r.because {
				t.note(c)
			}
			break
		}
		if len(r.litter) > 0 {
			t.mended = append(t.mended, r.because[0].From+" → make anew")
			break
		}
		t.created++
	case replace, finish:
		t.replaced++
		t.impact = max(t.impact, Replace)
		for _, c := range r.because {
			t.note(c)
		}
	case start:
		if r.why != "" && r.old.up() {
			t.impact = max(t.impact, Restart)
		}
		for _, c := range r.because {
			if c.Drift {
				t.mended = append(t.mended, c.From+" → "+startWord(r))
			} else {
				t.rerun++
				t.why = r.why
			}
		}
	case restart:
		t.restarted++
		t.impact = max(t.impact, Restart)
		t.why = r.why
	}
}

func startWord(r *replica) string {
	if r.old.Status == Paused {
		return "unpause"
	}
	return "start"
}

func (t *tally) note(c Change) {
	const few = 8 // are found sooner one by one
	switch {
	case t.seen == nil && slices.Contains(t.changes, c), t.seen[c]:
		return
	case t.seen != nil:
		t.seen[c] = true
	case len(t.changes) == few:
		t.seen = map[Change]bool{c: true}
		for _, other := range t.changes {
			t.seen[other] = true
		}
	}
	t.changes = append(t.changes, c)
}

func mendText(m mend) string {
	switch {
	case m.adjust != nil, m.place != nil:
		return adjustText(append(m.adjust, m.place...))
	case m.rename:
		return "named " + m.change.From + " → rename"
	case m.connect != "":
		return "not on network " + m.change.To + " → connect"
	}
	return "on network " + m.disconnect + " → disconnect"
}

// adjustText tells what somebody has set and to what it is set again.
func adjustText(changes []Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		if !strings.HasSuffix(c.Path, ".aliases") {
			c.From, c.To = orNone(c.From), orNone(c.To)
		}
		parts[i] = fieldOf(c.Path) + " " + arrow(c, false)
	}
	return strings.Join(parts, ", ")
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// fileChanged says whether a replacement comes from the file and not from what happened on the engine.
func fileChanged(s *service) bool {
	for _, r := range s.replicas {
		if r.verb != replace && r.verb != finish && r.migrated == nil {
			continue
		}
		for _, c := range r.because {
			if !c.Drift {
				return true
			}
		}
	}
	return false
}

// replacing words a replacement: how many, how fast, in what order.
func (b *builder) replacing(s *service, n int) []string {
	text := replaceText(n, len(s.replicas))
	finishing := 0
	for _, r := range s.replicas {
		if r.verb == finish {
			finishing++
		}
	}
	if finishing == n {
		text = "finish the interrupted replacement"
		if n > 1 {
			text = fmt.Sprintf("finish %d interrupted replacements", n)
		}
	}
	text += b.replacedHow(s, n)
	return []string{text}
}

func scaleText(from, to int) string {
	return fmt.Sprintf("scale from %d to %d", from, to)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func distinctInOrder(list []string) []string {
	seen := map[string]bool{}
	out := list[:0:0]
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
