package planner

import "slices"

// exchange says of undo groups from which others they take a host port.
type exchange map[string]map[string]bool

func (e exchange) note(taker, holder string) {
	if taker == "" || holder == "" {
		return
	}
	if e[taker] == nil {
		e[taker] = map[string]bool{}
	}
	e[taker][holder] = true
}

// from are the groups that a group takes something from, through however many.
func (e exchange) from(group string) map[string]bool {
	seen := map[string]bool{}
	stack := keys(e[group])
	for len(stack) > 0 {
		g := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !seen[g] {
			seen[g] = true
			stack = append(stack, keys(e[g])...)
		}
	}
	return seen
}

// joinSwaps makes one undo group of those that take each other's ports: none of them can go back while another one
// has what it had.
func (b *builder) joinSwaps(takes exchange) {
	joined := map[string]bool{}
	for _, group := range keys(takes) {
		far := takes.from(group)
		if joined[group] || !far[group] {
			continue
		}
		var circle []*unit
		for _, u := range b.units {
			if far[u.group] && takes.from(u.group)[group] {
				circle = append(circle, u)
				joined[u.group] = true
			}
		}
		b.joinUnits(circle)
	}
}

// joinUnits makes one undo group of units. All their old containers stay until all new ones are good.
func (b *builder) joinUnits(units []*unit) {
	var members []member
	groups := map[string]bool{}
	for _, u := range units {
		members = append(members, u.members...)
		groups[u.group] = true
	}
	name := groupOf(members)
	for _, step := range b.graph.steps {
		if groups[step.Group] {
			step.Group = name
		}
	}
	for _, u := range units {
		u.group = name
	}
	b.tie(members)
	for _, m := range members {
		for _, other := range members {
			if other.r == m.r {
				continue
			}
			// What was hoped for cannot be: that one of them is done before another one begins.
			for id, hopes := range b.graph.hopes {
				if step := b.graph.byID[id]; step != nil && step.Group == name {
					b.graph.hopes[id] = slices.DeleteFunc(hopes, func(h StepID) bool { return h == other.r.removal })
				}
			}
		}
	}
}
