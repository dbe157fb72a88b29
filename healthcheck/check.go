package healthcheck

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Check is what to ask of a container to find out whether it is ready. Exactly
// one of its fields is set.
type Check struct {
	TCP  int        // a port of the container that has to accept a connection
	HTTP *HTTPCheck // a request that has to be answered
	Log  string     // a regular expression that a line of its output has to match
	Exec []string   // a command in it that has to exit with 0, in the form of [Status.Test]
	All  []Check    // each has to have succeeded, one after the other
	Any  []Check    // one has to succeed
}

// HTTPCheck is a GET request to a port of the container.
type HTTPCheck struct {
	Port    int
	Path    string // begins with /
	Status  []int  // that count; empty is any from 200 to 399
	Headers map[string]string
}

// Accepts says whether a status counts as ready.
func (h HTTPCheck) Accepts(status int) bool {
	if len(h.Status) == 0 {
		return status >= 200 && status < 400
	}
	for _, s := range h.Status {
		if s == status {
			return true
		}
	}
	return false
}

// String says in a few words what is asked.
func (c Check) String() string {
	switch {
	case c.TCP > 0:
		return fmt.Sprintf("port %d", c.TCP)
	case c.HTTP != nil:
		return fmt.Sprintf("GET :%d%s", c.HTTP.Port, c.HTTP.Path)
	case c.Log != "":
		return fmt.Sprintf("log line %q", c.Log)
	case len(c.Exec) > 1:
		return strings.Join(c.Exec[1:], " ")
	case len(c.All) > 0:
		return list(c.All, " and ")
	default:
		return list(c.Any, " or ")
	}
}

func list(checks []Check, word string) string {
	parts := make([]string, len(checks))
	for i, c := range checks {
		parts[i] = c.String()
	}
	return strings.Join(parts, word)
}

// CannotCheck is the error of a check that will never work on this container, however
// ready it is: there is no way to its port, or its output is not kept.
type CannotCheck struct {
	Reason string
	Advice string // what to do about it
}

// Error gives the reason.
func (e *CannotCheck) Error() string { return e.Reason }

// Hint is what to do about it.
func (e *CannotCheck) Hint() string { return e.Advice }

// readiness is how far one run of a container has come with its check. What has
// succeeded once in a run is not asked again.
type readiness struct {
	check *Check // as asked for; nil where it is the container's own
	root  node
	parts []*part
}

// node is a Check as a tree.
type node struct {
	part     *part // nil for one that has children
	children []node
	any      bool // one child is enough
}

// part is one thing to ask.
type part struct {
	Check
	pattern *regexp.Regexp // of Log
	timeout time.Duration  // of one probe
	passed  bool
	tried   bool // in this round
	cannot  *CannotCheck
}

// The bounds of one probe of each kind.
const (
	tcpTimeout  = 2 * time.Second
	httpTimeout = 10 * time.Second
	// engineTimeout is the engine's bound of a check that names none.
	engineTimeout = 30 * time.Second
)

func newReadiness(c *Check) (*readiness, error) {
	r := &readiness{check: c}
	var err error
	r.root, err = r.grow(*c)
	return r, err
}

// ownReadiness asks what the container's own check asks.
func ownReadiness(test []string, timeout time.Duration) *readiness {
	if timeout <= 0 {
		timeout = engineTimeout
	}
	p := &part{Check: Check{Exec: test}, timeout: timeout}
	return &readiness{root: node{part: p}, parts: []*part{p}}
}

func (r *readiness) grow(c Check) (node, error) {
	if len(c.All)+len(c.Any) > 0 {
		n := node{any: len(c.Any) > 0}
		for _, child := range append(append([]Check(nil), c.All...), c.Any...) {
			grown, err := r.grow(child)
			if err != nil {
				return n, err
			}
			n.children = append(n.children, grown)
		}
		return n, nil
	}
	p := &part{Check: c, timeout: engineTimeout}
	switch {
	case c.TCP > 0:
		p.timeout = tcpTimeout
	case c.HTTP != nil:
		p.timeout = httpTimeout
	case c.Log != "":
		var err error
		if p.pattern, err = regexp.Compile(c.Log); err != nil {
			return node{}, fmt.Errorf("log line to wait for: %w", err)
		}
	case len(c.Exec) == 0:
		return node{}, errors.New("a check that asks nothing")
	}
	r.parts = append(r.parts, p)
	return node{part: p}, nil
}

// next is the part to ask now, or nil; good says that nothing more has to be asked. What
// stands behind something that has not succeeded yet is not asked, so that a cheap
// part put first spares the others.
func (n node) next() (p *part, good bool) {
	if n.part != nil {
		switch {
		case n.part.passed:
			return nil, true
		case n.part.pattern != nil, n.part.cannot != nil, n.part.tried:
			return nil, false
		}
		return n.part, false
	}
	for _, child := range n.children {
		p, good := child.next()
		if p != nil || good == n.any {
			return p, good
		}
	}
	return nil, !n.any
}

// cannot is why the check can never succeed; nil while it can.
func (n node) cannot() *CannotCheck {
	if n.part != nil {
		return n.part.cannot
	}
	var why *CannotCheck
	for _, child := range n.children {
		c := child.cannot()
		if c == nil && n.any {
			return nil
		}
		if c != nil && why == nil {
			why = c
		}
	}
	return why
}

// asked says whether anything was asked in this round.
func (r *readiness) asked() bool {
	return slices.ContainsFunc(r.parts, func(p *part) bool { return p.tried })
}

// newRound lets everything be asked again that has not succeeded; it says whether there is anything to ask.
func (r *readiness) newRound() bool {
	for _, p := range r.parts {
		p.tried = false
	}
	ask, _ := r.root.next()
	return ask != nil
}

// lines are the parts that wait for a line of output.
func (r *readiness) lines() []*part {
	var out []*part
	for _, p := range r.parts {
		if p.pattern != nil && !p.passed {
			out = append(out, p)
		}
	}
	return out
}
