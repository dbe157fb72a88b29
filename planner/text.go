package planner

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// TextOptions say how a plan is written for people. The zero value hides credentials and has no colour.
type TextOptions struct {
	// ShowValues prints what looks like a credential too.
	ShowValues bool
	// Color paints the signs; it only repeats what they say.
	Color bool
	// Command is what to type to carry the plan out; empty is "muster up".
	Command string
	// Steps is what to type to see the steps. Empty is "muster plan --steps" where Command is empty as well, and else
	// nothing, since plan would list the steps of another command.
	Steps string
}

// widest is the column at which values begin at the latest, in characters.
const widest = 44

// Text tells what the plan does, service by service: the outcome in the first line, what to do in the last.
func (p Plan) Text(o TextOptions) string {
	var out strings.Builder
	out.WriteString(p.headline() + "\n")
	if len(p.Steps) > 0 {
		out.WriteString("\n")
		p.writeItems(&out, o)
		p.writeWaits(&out)
	}
	if len(p.Warnings) > 0 {
		out.WriteString("\n")
		for _, w := range p.Warnings {
			out.WriteString("warning: " + w + "\n")
		}
	}
	if len(p.Steps) > 0 {
		out.WriteString("\n" + p.footer(o) + "\n")
	}
	return out.String()
}

// headline is the outcome in one line.
func (p Plan) headline() string {
	counts := map[Verdict]int{}
	services, containers := 0, 0
	for _, i := range p.Items {
		if i.Ref.Kind == KindService {
			services++
			containers += i.Containers
		} else if i.Verdict == Unchanged {
			continue
		}
		counts[i.Verdict]++
	}
	if len(p.Steps) == 0 {
		if len(p.Items) == 0 {
			return p.Project + ": nothing to do."
		}
		return fmt.Sprintf("%s: up to date (%s, %s).", p.Project, plural(services, "service"), plural(containers, "container"))
	}
	var parts []string
	for _, v := range []struct {
		verdict Verdict
		word    string
	}{{Modify, "to change"}, {Create, "to create"}, {Mend, "to mend"}, {Remove, "to remove"}, {Unchanged, "unchanged"}} {
		if n := counts[v.verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v.word))
		}
	}
	if len(parts) == 0 || len(parts) == 1 && counts[Unchanged] > 0 {
		return p.Project + ": nothing to change, something to wait for"
	}
	return p.Project + ": " + strings.Join(parts, ", ")
}

// writeWaits lists the steps of services that are otherwise unchanged: --wait has them.
func (p Plan) writeWaits(out *strings.Builder) {
	unchanged := map[string]bool{}
	for _, i := range p.Items {
		if i.Ref.Kind == KindService && i.Verdict == Unchanged {
			unchanged[i.Ref.Name] = true
		}
	}
	for _, s := range p.Steps {
		service := ""
		switch a := s.Action.(type) {
		case Await:
			service = a.Service
		case AwaitService:
			service = a.Service
		}
		if unchanged[service] {
			out.WriteString("  " + string(s.ID) + "\n")
		}
	}
}

func (p Plan) footer(o TextOptions) string {
	if o.Command == "" {
		o.Command = "muster up"
		if o.Steps == "" {
			o.Steps = "muster plan --steps"
		}
	}
	list := plural(len(p.Steps), "step")
	switch {
	case o.Steps == "":
		list += "."
	case len(p.Steps) == 1:
		list += fmt.Sprintf("; `%s` shows it.", o.Steps)
	default:
		list += fmt.Sprintf("; `%s` lists them.", o.Steps)
	}
	return fmt.Sprintf("Run `%s` to do this. %s", o.Command, list)
}

// signs are the marks of the verdicts and the colours that repeat them, in the order of printing.
func signs() []struct {
	verdict Verdict
	sign    string
	colour  string
} {
	return []struct {
		verdict Verdict
		sign    string
		colour  string
	}{
		{Modify, "~", "\x1b[33m"},
		{Create, "+", "\x1b[32m"},
		{Mend, "!", "\x1b[36m"},
		{Remove, "-", "\x1b[31m"},
	}
}

// row is one printed line of an item: what, and what about it.
type row struct{ left, right string }

func (p Plan) writeItems(out *strings.Builder, o TextOptions) {
	blocks := make([][]row, len(p.Items))
	column := 0
	for i, item := range p.Items {
		if item.Verdict == Unchanged {
			continue
		}
		blocks[i] = p.rows(item, o)
		for _, r := range blocks[i] {
			if n := utf8.RuneCountInString(r.left); n+2 > column && n+2 <= widest {
				column = n + 2
			}
		}
	}
	for _, s := range signs() {
		sign := s.sign
		if o.Color {
			sign = s.colour + sign + "\x1b[0m"
		}
		for _, i := range p.inReadingOrder() {
			if p.Items[i].Verdict != s.verdict {
				continue
			}
			for n, r := range blocks[i] {
				lead := "  "
				if n == 0 {
					lead = sign + " "
				}
				out.WriteString(strings.TrimRight(lead+pad(r.left, column)+r.right, " ") + "\n")
			}
		}
	}
}

// inReadingOrder are the places of the items, services before what they use.
func (p Plan) inReadingOrder() []int {
	rank := map[Kind]int{KindService: 0, KindNetwork: 1, KindVolume: 2, KindConfig: 3, KindSecret: 4, KindImage: 5}
	order := make([]int, len(p.Items))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return rank[p.Items[order[i]].Ref.Kind] < rank[p.Items[order[j]].Ref.Kind] })
	return order
}

// rows are an item's headline, its fields and its waits.
func (p Plan) rows(item Item, o TextOptions) []row {
	name := item.Ref.Name
	if item.Ref.Kind != KindService {
		name = string(item.Ref.Kind) + " " + name
	}
	out := []row{{name, item.Summary}}
	for _, c := range item.Changes {
		text := arrow(c, o.ShowValues)
		if c.Drift && item.Verdict != Mend {
			text += " (drift)"
		}
		out = append(out, row{"  " + fieldOf(c.Path), text})
	}
	for _, r := range p.Rollouts {
		if r.spoken && item.Ref.Kind == KindService && r.Service == item.Ref.Name {
			out = append(out, row{"  rollout", r.text()})
		}
	}
	if len(item.After) > 0 {
		out = append(out, row{"  after", strings.Join(item.After, ", ")})
	}
	return out
}

func pad(s string, column int) string {
	n := column - utf8.RuneCountInString(s)
	if n < 2 {
		n = 2
	}
	return s + strings.Repeat(" ", n)
}

// fieldOf is a path within its service, network or volume.
func fieldOf(path string) string {
	parts := strings.SplitN(path, ".", 3)
	if len(parts) < 3 {
		return path
	}
	return parts[2]
}

// arrow is a change in one line; credentials only where show says so.
func arrow(c Change, show bool) string {
	from, to := oneLine(c.From), oneLine(c.To)
	if c.Secret && !show {
		from, to = hide(from), hide(to)
	} else {
		from, to = fit(from, to)
	}
	switch {
	case from == "" && to == "":
		return "changed"
	case from == "":
		return "+ " + to
	case to == "":
		return "- " + from
	}
	return from + " → " + to
}

func hide(s string) string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}

// oneLine keeps control characters from breaking the layout, or the terminal.
func oneLine(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// longest is how much of a value is shown, in characters.
const longest = 64

// fit shortens two long values so that what differs stays in sight.
func fit(from, to string) (string, string) {
	a, b := []rune(from), []rune(to)
	if len(a) <= longest && len(b) <= longest {
		return from, to
	}
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	const context = 12
	skip := 0
	if len(a) > 0 && len(b) > 0 && same > longest/2 {
		skip = same - context
	}
	return cut(a, skip), cut(b, skip)
}

func cut(s []rune, skip int) string {
	lead := ""
	if skip > 0 {
		lead, s = "…", s[skip:]
	}
	if len(s) > longest {
		return lead + string(s[:longest-1]) + "…"
	}
	return lead + string(s)
}
