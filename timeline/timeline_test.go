package timeline

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shop is a start of three services, with times in milliseconds from its beginning.
func shop() Record {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	span := func(kind Kind, service string, from, to int, needs ...string) Span {
		return Span{ID: string(kind) + " " + service, Kind: kind, Service: service, Name: "shop-" + service + "-1",
			Began: at(from), Ended: at(to), Needs: needs}
	}
	network := Span{ID: "network", Kind: Created, Name: "shop_default", Began: began, Ended: at(40)}
	return Record{Project: "shop", Command: "up", Began: began, Ended: at(4100), Spans: []Span{
		network,
		span(Created, "cache", 40, 90, "network"),
		span(Created, "db", 40, 100, "network"),
		span(Created, "migrate", 40, 110, "network"),
		span(Created, "web", 40, 120, "network"),
		span(Started, "cache", 90, 400, "created cache"),
		span(Started, "db", 100, 430, "created db"),
		span(Healthy, "cache", 400, 700, "started cache"),
		span(Healthy, "db", 430, 1500, "started db"),
		span(Started, "migrate", 1500, 1800, "created migrate", "healthy db"),
		span(Completed, "migrate", 1800, 2100, "started migrate"),
		span(Started, "web", 2100, 2500, "created web", "healthy db", "completed migrate", "healthy cache"),
		span(Healthy, "web", 2500, 4100, "started web"),
	}}
}

func TestText(t *testing.T) {
	want := `
                    0s         1s          2s         3s          4s
cache    created    █
         started     ████
         healthy         ███
db       created    █                                                ← critical
         started     ████                                            ← critical
         healthy         ████████████                                ← critical
migrate  created    █
         started                     ████                            ← critical
         completed                       ███                         ← critical
web      created    █
         started                            █████                    ← critical
         healthy                                 ██████████████████  ← critical

ready after 4.1 s. web spends 1.6 s between start and its first successful check: look there first.
`
	got := "\n" + shop().Text(Options{})
	for _, line := range strings.Split(got, "\n") {
		if n := len([]rune(line)); n > 80 && !strings.HasPrefix(line, "ready") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCritical(t *testing.T) {
	var got []string
	for _, s := range shop().Critical() {
		got = append(got, s.ID)
	}
	want := []string{"network", "created db", "started db", "healthy db", "started migrate", "completed migrate", "started web", "healthy web"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	circle := Record{Spans: []Span{{ID: "a", Needs: []string{"b"}}, {ID: "b", Needs: []string{"a"}}}}
	if n := len(circle.Critical()); n > 2 {
		t.Errorf("a circle of two gives %d", n)
	}
}

func TestAdvice(t *testing.T) {
	for kind, want := range map[Kind]string{
		Pulled: "Pulling web:1 takes 3.0 s: pull it ahead of time", Built: "Building web takes 3.0 s", Stopped: "web takes 3.0 s to stop",
		Completed: "web works for 3.0 s until it ends", Started: "The engine needs 3.0 s for web to be started", Hook: "A hook of web works for 3.0 s",
	} {
		began := time.Unix(0, 0)
		r := Record{Began: began, Ended: began.Add(3 * time.Second), Spans: []Span{{ID: "x", Kind: kind, Service: "web", Name: "web:1", Began: began, Ended: began.Add(3 * time.Second)}}}
		if got := r.Advice(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	if got := (Record{}).Text(Options{}); got != "done after 0.0 s.\n" {
		t.Errorf("nothing was done: %q", got)
	}
}

func TestTrace(t *testing.T) {
	text, err := shop().Trace()
	if err != nil {
		t.Fatal(err)
	}
	var trace struct {
		TraceEvents []traceEvent `json:"traceEvents"`
	}
	if err := json.Unmarshal(text, &trace); err != nil {
		t.Fatal(err)
	}
	var found bool
	for _, e := range trace.TraceEvents {
		if e.Phase == "X" && e.Args["step"] == "healthy web" {
			found = true
			if e.At != 2500000 || e.Took != 1600000 || e.Args["critical"] != true {
				t.Errorf("got %+v", e)
			}
		}
	}
	if !found {
		t.Errorf("not in %s", text)
	}
}

func TestKeep(t *testing.T) {
	f := Folder(t.TempDir())
	if _, ok, err := f.Last("k", "shop"); ok || err != nil {
		t.Errorf("before: %v %v", ok, err)
	}
	for range 2 {
		if err := f.Keep("k", shop()); err != nil {
			t.Fatal(err)
		}
	}
	got, ok, err := f.Last("k", "shop")
	if diff := cmp.Diff(shop(), got); !ok || err != nil || diff != "" {
		t.Errorf("%v %v %s", ok, err, diff)
	}
	if _, ok, _ := f.Last("other", "shop"); ok {
		t.Error("another engine has the same record")
	}
}
