package ask

import (
	"slices"
	"strings"
	"testing"
)

// The folder is that of the user's caches.
func TestFolder(t *testing.T) {
	for _, c := range []struct {
		environ, want string
	}{
		{"HOME=/home/a", "/home/a/.cache/muster"},
		{"HOME=/home/a XDG_CACHE_HOME=/c", "/c/muster"},
		{"XDG_CACHE_HOME=/c HOME=/home/a", "/c/muster"},
		{"XDG_CACHE_HOME=c HOME=/home/a", "/home/a/.cache/muster"},
		{"XDG_CACHE_HOME=/c MUSTER_NO_CACHE=1", ""},
		{"HOME=a", ""}, {"", ""},
	} {
		if got := folder(strings.Fields(c.environ)); got != c.want {
			t.Errorf("%s: %q, want %q", c.environ, got, c.want)
		}
	}
}

// Whatever makes a difference is a command of its own, but for what is another one each time.
func TestFind(t *testing.T) {
	home := "HOME=" + t.TempDir()
	first := find("again", []string{"muster", "up"}, []string{home, "A=1"})
	for _, c := range []struct {
		args, environ string
		same          bool
	}{
		{"muster up", "A=1", true},
		{"muster up", "DOCKER_CLI_PLUGIN_SOCKET=/1 A=1", true},
		{"muster up", "A=2", false},
		{"muster up", "", false},
		{"muster up A=1", "", false},
		{"muster up -d", "A=1", false},
	} {
		got := find("again", strings.Fields(c.args), append(strings.Fields(c.environ), home))
		if same := got.Name == first.Name && slices.Equal(got.Of, first.Of); same != c.same || got.Name == "" {
			t.Errorf("%s with %s: same is %v", c.args, c.environ, same)
		}
	}
	note := Note{Socket: "/s"}
	first.Keep(note)
	if got := find("again", []string{"muster", "up"}, []string{home, "A=1"}); got.Note.Text() != note.Text() {
		t.Errorf("found %+v", got.Note)
	}
}

func FuzzParse(f *testing.F) {
	whole := Note{
		Inputs: []Input{{"/a", true}, {"/b", false}}, Given: "g", Socket: "/s", Words: []string{"shop"},
		Questions: []Question{{"GET", "/networks", "x\ny"}}, Said: "up to date\n", View: "{}",
	}
	f.Add(whole.Text())
	f.Add("1\n4\ntrue2\n/a")
	f.Add("99999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := Parse(text)
		if !ok {
			return
		}
		again, ok := Parse(n.Text())
		if !ok || again.Text() != n.Text() {
			t.Errorf("%q is %+v, and then %+v", text, n, again)
		}
	})
}

// A note comes back as it was, and one that is cut anywhere is none.
func TestNote(t *testing.T) {
	whole := Note{
		Inputs: []Input{{"/a\n", true}, {"/b", false}}, Given: "g", Socket: "/s", Words: []string{"shop", ""},
		Questions: []Question{{"GET", "/networks", "x\ny"}}, Said: "up to date\n", View: "{}",
	}.Text()
	n, ok := Parse(whole)
	if !ok || n.Text() != whole || len(n.Inputs) != 2 || n.Inputs[0] != (Input{"/a\n", true}) || n.Said != "up to date\n" || n.View != "{}" {
		t.Errorf("%v %+v", ok, n)
	}
	for cut := range whole {
		if n, ok := Parse(whole[:cut]); ok {
			t.Errorf("cut after %d: %+v", cut, n)
		}
	}
	if _, ok := Parse(whole + "x"); ok {
		t.Error("more than a note is one")
	}
}

// What a command about one service asks is known by that.
func TestCounts(t *testing.T) {
	for want, args := range map[int]string{
		2: "muster ps -a web", 3: "muster exec web ls", 5: "muster exec -T --privileged web ls", 6: "muster -p shop exec -T web", 1: "port",
	} {
		words := strings.Fields(args)
		b := Beginning{typed: slices.IndexFunc(words, func(word string) bool { return slices.Contains(looks, word) })}
		b.Command = words[b.typed]
		if got := b.counts(words); got != want {
			t.Errorf("%s: %d words count, not %d", args, got, want)
		}
	}
}
