package planner

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// StepsText prints the graph: a line a step, with the steps that it needs and why it is done. A reason
// that was given before is not repeated: "as 3" is that of step 3.
func (p Plan) StepsText(o TextOptions) string {
	if len(p.Steps) == 0 {
		return p.headline() + "\n"
	}
	number := make(map[StepID]int, len(p.Steps))
	needs := make([]string, len(p.Steps))
	first, second := 0, 0
	for i, s := range p.Steps {
		number[s.ID] = i + 1
		needs[i] = needText(p.preceding(s), number)
		first = max(first, min(utf8.RuneCountInString(string(s.ID)), 48))
		second = max(second, min(utf8.RuneCountInString(needs[i]), 24))
	}
	said := map[string]int{}
	width := len(strconv.Itoa(len(p.Steps)))
	var out strings.Builder
	for i, s := range p.Steps {
		why := s.why(o)
		if n := said[why]; n > 0 && why != "" {
			why = fmt.Sprintf("as %d", n)
		} else {
			said[why] = i + 1
		}
		line := fmt.Sprintf("%*d  %s%s%s", width, i+1, pad(string(s.ID), first+2), pad(needs[i], second+2), why)
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

// preceding are the steps that come before one: what it needs, and what it only comes after. Of the latter those
// that others of them need go without saying.
func (p Plan) preceding(s Step) []StepID {
	if len(s.After) == 0 {
		return s.Needs
	}
	implied := map[StepID]bool{}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		step := p.Steps[i]
		if !implied[step.ID] && !slices.Contains(s.After, step.ID) && !slices.Contains(s.Needs, step.ID) {
			continue
		}
		for _, before := range slices.Concat(step.Needs, step.After) {
			implied[before] = true
		}
	}
	out := slices.Clone(s.Needs)
	for _, before := range s.After {
		if !implied[before] && !slices.Contains(s.Needs, before) {
			out = append(out, before)
		}
	}
	return out
}

func needText(needs []StepID, number map[StepID]int) string {
	if len(needs) == 0 {
		return ""
	}
	places := make([]int, 0, len(needs))
	for _, n := range needs {
		places = append(places, number[n])
	}
	parts := make([]string, 0, len(places))
	sort.Ints(places)
	for _, n := range places {
		parts = append(parts, strconv.Itoa(n))
	}
	return "after " + strings.Join(parts, ", ")
}

// why is the reason in a few words.
func (s Step) why(o TextOptions) string {
	const shown = 2
	var parts []string
	for i, c := range s.Because {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Because)-shown))
			break
		}
		parts = append(parts, strings.TrimPrefix(c.Path, "services.")+": "+arrow(c, o.ShowValues))
	}
	return strings.Join(parts, "; ")
}
