package testreport

import (
	"encoding/json"
	"strings"
)

// goTests reads the events of `go test -json`; see `go doc test2json`.
type goTests struct {
	into *collected
	seen bool
	// running are the tests that have begun, and the packages, under the empty name; order is that of their beginning.
	running map[goTest]*Tail
	order   []goTest
	// bad says of which packages a case has failed, built what the compiler said about one.
	bad   map[string]bool
	built map[string]*Tail
}

// goTest is a test of a package.
type goTest struct{ pkg, name string }

// goEvent is a line of test2json.
type goEvent struct {
	Action      string
	Package     string
	Test        string
	Elapsed     float64
	Output      string
	ImportPath  string
	FailedBuild string
}

// read takes a line; is says whether it is an event, and out what the tests have printed with it.
func (g *goTests) read(line string) (out string, is bool) {
	if len(line) == 0 || line[0] != '{' {
		return "", false
	}
	var e goEvent
	if json.Unmarshal([]byte(line), &e) != nil || e.Package == "" && e.ImportPath == "" {
		return "", false
	}
	switch e.Action {
	case "start", "run", "pause", "cont", "bench":
	case "output":
		g.tail(goTest{e.Package, e.Test}).Add(strings.TrimSuffix(e.Output, "\n"))
		out = e.Output
	case "build-output":
		if g.built == nil {
			g.built = map[string]*Tail{}
		}
		if g.built[e.ImportPath] == nil && len(g.built) < maxCases {
			g.built[e.ImportPath] = &Tail{Room: maxOutput}
		}
		if t := g.built[e.ImportPath]; t != nil {
			t.Add(strings.TrimSuffix(e.Output, "\n"))
		}
		out = e.Output
	case "build-fail":
	case "pass", "fail", "skip":
		g.ended(e)
	default:
		return "", false
	}
	g.seen = true
	if e.Action == "run" {
		g.tail(goTest{e.Package, e.Test})
	}
	return out, true
}

// tail is what a test has printed.
func (g *goTests) tail(of goTest) *Tail {
	if t := g.running[of]; t != nil {
		return t
	}
	t := &Tail{Room: maxOutput}
	if len(g.running) >= maxCases {
		return t // kept by nobody
	}
	if g.running == nil {
		g.running = map[goTest]*Tail{}
	}
	g.running[of] = t
	g.order = append(g.order, of)
	return t
}

// ended makes a case of a test that has ended. A package that has failed is one only where none of its tests tells why.
func (g *goTests) ended(e goEvent) {
	of := goTest{e.Package, e.Test}
	outcome := map[string]Outcome{"pass": Passed, "fail": Failed, "skip": Skipped}[e.Action]
	c := Case{Name: e.Test, Class: e.Package, Duration: seconds(e.Elapsed), Outcome: outcome}
	c.Output, _ = g.tail(of).Text()
	g.forget(of)
	if e.Test == "" {
		if outcome == Failed {
			g.unfinished(e.Package)
		}
		if outcome != Failed || g.bad[e.Package] {
			return
		}
		c.Name = e.Package
		if t := g.built[e.FailedBuild]; t != nil {
			c.Output, _ = t.Text()
			c.Message = "it does not compile"
		}
	}
	g.add(c)
}

func (g *goTests) add(c Case) {
	if c.Outcome != Passed {
		c.locate()
	}
	if c.Outcome.Bad() {
		if g.bad == nil {
			g.bad = map[string]bool{}
		}
		if len(g.bad) < maxCases {
			g.bad[c.Class] = true
		}
	}
	g.into.add(c)
}

// forget lets go of a test that has ended.
func (g *goTests) forget(of goTest) {
	delete(g.running, of)
	if len(g.order) > 2*len(g.running)+64 {
		g.compact()
	}
}

// compact leaves those that run.
func (g *goTests) compact() {
	kept := g.order[:0]
	for _, of := range g.order {
		if g.running[of] != nil {
			kept = append(kept, of)
		}
	}
	g.order = kept
}

// unfinished makes cases of the tests of a package that will not end any more; an empty one is all packages.
func (g *goTests) unfinished(pkg string) {
	g.compact()
	for _, of := range g.order {
		t := g.running[of]
		if t == nil || of.name == "" || pkg != "" && of.pkg != pkg {
			continue
		}
		delete(g.running, of)
		c := Case{Name: of.name, Class: of.pkg, Outcome: Broken, Message: "it began and did not end"}
		c.Output, _ = t.Text()
		g.add(c)
	}
	g.compact()
}

// end says that nothing more comes.
func (g *goTests) end() { g.unfinished("") }
