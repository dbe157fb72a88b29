// Package ask asks the engine at the very start of the program what a command such as this one asked the last time, so that the engine works on it while
// the rest of the program is set up. The package again hears the answers.
//
// Packages are set up in an order that the language fixes (see the package release): of those whose imports are set up, the first by its path is
// next. This one imports os and what that needs, and so comes before strings, and all that waits for it; the digests of the package again take some
// sixty more.
package ask

import (
	"hash/fnv"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/musterhq/muster/cache"
)

// maxNote bounds a note, and maxNotes how many there are.
const (
	maxNote  = 1 << 20
	maxNotes = 64
)

// Begun is what this run has begun with.
var Begun Beginning

// A Beginning is where a run's notes are, what was asked, and when.
type Beginning struct {
	Command string // one of those that ask ahead; empty of others
	Whole   Place  // what there is of this very command, if it is up or ps
	Asks    Place  // what commands such as this one ask; not known of an up that may be answered early
	Asked   []Pending
	At      time.Time
	typed   int // the place of the command among the arguments
}

// Pending is a question that was asked, and not taken yet.
type Pending struct {
	Question
	Socket string
	FD     int
}

// Place is where a note is kept, and the one that is there; without a name, nothing is kept.
type Place struct {
	dir, Name string
	// Of is the command that it is of: arguments, environment, and what else makes a difference. The name is short, and another one may come to
	// the same.
	Of   []string
	Note Note
}

// looks are commands that ask ahead, besides up: those that begin with a look at the stack. Where they change anything, they look again once nobody else
// can.
var looks = []string{"ps", "images", "volumes", "top", "logs", "exec", "port", "down", "stop", "start", "restart", "rm", "pause", "unpause"}

func init() {
	// What comes after the command makes no difference to what it asks about the stack, and exec is run with anything.
	Begun.typed = slices.IndexFunc(os.Args, func(word string) bool { return slices.Contains(looks, word) })
	Begun.At = time.Now()
	switch up := slices.Index(os.Args, "up"); {
	case up > 0:
		Begun.Command, Begun.typed, Begun.Whole = "up", up, find("again", os.Args, os.Environ())
		Begun.Asked = All(Begun.Whole.Note)
	case Begun.typed > 0:
		Begun.Command = os.Args[Begun.typed]
		if Begun.Command == "ps" {
			// Of its own, since there may be many: they must not put out the one that up goes by.
			Begun.Whole = find("shown", os.Args, os.Environ())
			Begun.Asked = All(Begun.Whole.Note)
		}
		if len(Begun.Whole.Note.Questions) == 0 {
			Begun.Ahead()
		}
	}
}

// Ahead asks what a command such as this one asks, and was not asked yet.
func (b *Beginning) Ahead() {
	if b.Asks.Name == "" {
		b.Asks = find("again", os.Args[:b.counts(os.Args)], os.Environ())
	}
	b.Asked = append(b.Asked, All(b.Asks.Note.without(b.Asked))...)
}

// ofOne are commands that ask about one service, where one is named.
var ofOne = []string{"exec", "port", "top", "images", "stop", "pause", "unpause"}

// counts is how many words make a difference to what is asked about the stack: those up to the command, and the service of one that asks about that. It is
// the first word that is no flag, or the value of a flag; then services that are asked about with that flag share a note.
func (b *Beginning) counts(args []string) int {
	n := b.typed + 1
	if !slices.Contains(ofOne, b.Command) {
		return n
	}
	i := slices.IndexFunc(args[n:], func(word string) bool { return word != "" && word[0] != '-' })
	return n + i + 1
}

// without is a note that asks for less: for what was not asked yet.
func (n Note) without(asked []Pending) Note {
	n.Questions = slices.DeleteFunc(slices.Clone(n.Questions), func(q Question) bool {
		return slices.ContainsFunc(asked, func(p Pending) bool { return p.Socket == n.Socket && p.Method == q.Method && p.Path == q.Path })
	})
	return n
}

// fleeting is a variable that is another one each time: where docker listens for its plugin, to tell it that it ends.
const fleeting = "DOCKER_CLI_PLUGIN_SOCKET"

// find looks for the note of a command.
func find(kind string, args, environ []string) (p Place) {
	dir := folder(environ)
	cwd, err := os.Getwd()
	if dir == "" || err != nil {
		return p
	}
	program, err := cache.Program()
	if err != nil {
		return p
	}
	p.Of = append([]string{program, cwd, strconv.Itoa(len(args))}, args...)
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		if _, ok := valueOf(kv, fleeting); !ok {
			p.Of = append(p.Of, kv)
		}
	}
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		p.Of = append(p.Of, terminal(f))
	}
	key := fnv.New128a()
	cache.Put(key, p.Of...)
	p.dir, p.Name = dir+"/"+kind, hex(key.Sum(nil))
	data, err := os.ReadFile(p.dir + "/" + p.Name)
	if err != nil || len(data) > maxNote {
		return p
	}
	if n, ok := Parse(string(data)); ok {
		p.Note = n
	}
	return p
}

// folder is where muster keeps things; empty is nowhere.
func folder(environ []string) string {
	cached, home := "", ""
	for _, kv := range environ { // the last one counts
		if value, ok := valueOf(kv, "MUSTER_NO_CACHE"); ok && value != "" {
			return ""
		}
		if value, ok := valueOf(kv, "XDG_CACHE_HOME"); ok {
			cached = value
		}
		if value, ok := valueOf(kv, "HOME"); ok {
			home = value
		}
	}
	switch {
	case cached != "" && cached[0] == '/':
		return cached + "/muster"
	case home != "" && home[0] == '/':
		return home + "/.cache/muster"
	}
	return ""
}

// valueOf is that of a variable; ok is false of another one.
func valueOf(kv, name string) (value string, ok bool) {
	if len(kv) <= len(name) || kv[:len(name)] != name || kv[len(name)] != '=' {
		return "", false
	}
	return kv[len(name)+1:], true
}

// terminal is what can be told of a file that output goes to: whether it is a terminal, and of what size.
func terminal(f *os.File) string {
	info, err := f.Stat()
	switch {
	case err != nil:
		return "none"
	case info.Mode()&os.ModeCharDevice == 0:
		return "file"
	}
	return size(f)
}

// hex writes bytes for a file's name; Go's own package for that comes late.
func hex(of []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(of))
	for _, b := range of {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

// Keep writes a note, where it is another one than before.
func (p *Place) Keep(n Note) {
	if text := n.Text(); p.Name != "" && len(text) < maxNote && text != p.Note.Text() {
		_ = cache.Keep(p.dir, p.Name, []byte(text), maxNotes)
	}
}
