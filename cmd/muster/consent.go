package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// impactLimit is the flag --max-impact: what a plan may do at most to what runs. Without it all goes.
type impactLimit struct {
	given bool
	most  planner.Impact
}

// impacts are those that a limit may have; data loss has a question of its own.
func impacts() []planner.Impact {
	return []planner.Impact{planner.NoImpact, planner.InPlace, planner.Restart, planner.Replace}
}

// impactNamed reads none, in-place, restart or replace.
func impactNamed(text string) (planner.Impact, bool) {
	for _, i := range impacts() {
		if i.String() == text {
			return i, true
		}
	}
	return 0, false
}

// String is the flag's value as text.
func (l *impactLimit) String() string {
	if !l.given {
		return ""
	}
	return l.most.String()
}

// Set reads an impact's name.
func (l *impactLimit) Set(text string) error {
	var ok bool
	if l.most, ok = impactNamed(text); !ok {
		return fmt.Errorf("there are none, in-place, restart and replace")
	}
	l.given = true
	return nil
}

// Type names it in the help.
func (l *impactLimit) Type() string { return "impact" }

// named is how many steps or resources a sentence lists.
const named = 6

// check refuses a plan that does more, and names what.
func (l *impactLimit) check(plan planner.Plan) error {
	var over []string
	highest := l.most
	for _, s := range plan.Steps {
		if l.given && s.Impact > l.most {
			over = append(over, fmt.Sprintf("%s (%s)", s.ID, s.Impact))
			highest = max(highest, s.Impact)
		}
	}
	if len(over) == 0 {
		return nil
	}
	hint := "leave --max-impact out to do it"
	if highest < planner.DataLoss {
		hint = fmt.Sprintf("--max-impact %s allows it", highest)
	}
	return &usageError{
		problem: fmt.Sprintf("%s more than --max-impact %s allows: %s; nothing was changed", does(len(over), "step"), l.most, some(over)),
		hint:    hint,
	}
}

// does is a number of things that do something.
func does(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " does"
	}
	return count(n, noun) + " do"
}

// some lists the first few.
func some(names []string) string {
	if len(names) > named {
		return strings.Join(names[:named], ", ") + fmt.Sprintf(" and %d more", len(names)-named)
	}
	return strings.Join(names, ", ")
}

// consent is what the user lets a command do, and has said yes to.
type consent struct {
	yes   bool // do not ask
	limit impactLimit
	// ask is the impact above which the user is asked.
	ask planner.Impact
	// given is the last question that was answered with yes: a plan that had to be made again is not asked about twice.
	given string
}

// consent reads how much goes without a question: MUSTER_ASK, or else all but the loss of data.
func (p *program) consent(want *project.Project, yes bool, limit impactLimit) (*consent, error) {
	c := &consent{yes: yes, limit: limit, ask: planner.Replace}
	if text := p.setting(want, "MUSTER_ASK"); text != "" {
		var ok bool
		if c.ask, ok = impactNamed(text); !ok {
			return nil, &usageError{problem: fmt.Sprintf("MUSTER_ASK must be an impact (found: %q)", text), hint: "there are none, in-place, restart and replace"}
		}
	}
	return c, nil
}

// agree refuses what is over the limit and asks about what is grave.
func (p *program) agree(plan planner.Plan, c *consent) error {
	if err := c.limit.check(plan); err != nil {
		return err
	}
	question := gravest(plan, c.ask)
	if question == "" || c.yes || question == c.given {
		return nil
	}
	if err := p.ask(question); err != nil {
		return err
	}
	c.given = question
	return nil
}

// ask tells what is about to be done and asks whether to go on. Where nobody can be asked the answer is no.
func (p *program) ask(about string) error {
	if p.screen == nil {
		return &usageError{problem: about + "; nothing was changed", hint: "say --yes to do it"}
	}
	return p.confirm(about + ". Go on?")
}

// gravest says in one sentence what a plan does that is graver than a user wants to let go; empty where nothing is.
func gravest(plan planner.Plan, than planner.Impact) string {
	by := map[planner.Impact][]string{}
	for _, s := range plan.Steps {
		if s.Impact == planner.DataLoss {
			by[s.Impact] = append(by[s.Impact], refText(s.Action.Resource()))
		}
	}
	for _, i := range plan.Items {
		if i.Impact < planner.DataLoss && i.Verdict != planner.Create {
			by[i.Impact] = append(by[i.Impact], itemName(i.Ref))
		}
	}
	var parts []string
	for _, w := range []struct {
		impact planner.Impact
		words  string
	}{
		{planner.DataLoss, "removes data for good: "}, {planner.Replace, "replaces or removes "},
		{planner.Restart, "restarts "}, {planner.InPlace, "changes in place "},
	} {
		if w.impact > than && len(by[w.impact]) > 0 {
			parts = append(parts, w.words+some(by[w.impact]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "this " + strings.Join(parts, "; ")
}

// itemName is what an item is about: a service by its name, anything else with its kind.
func itemName(r planner.Ref) string {
	if r.Kind == planner.KindService {
		return r.Name
	}
	return string(r.Kind) + " " + r.Name
}

// anew is the same consent with nothing said yes to yet.
func (c *consent) anew() *consent {
	if c == nil {
		return nil
	}
	again := *c
	again.given = ""
	return &again
}

// errDeclined is the answer no.
var errDeclined = &exitError{code: exitFailed, cause: fmt.Errorf("nothing was changed")}

// confirm asks a question whose answer is no unless it is yes.
func (p *program) confirm(question string) error {
	if p.aside != nil {
		defer p.aside()()
	}
	fmt.Fprint(p.err, question+" [y/N] ")
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(p.err)
		return errDeclined
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}
