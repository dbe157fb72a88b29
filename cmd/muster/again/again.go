// Package again answers an `up` that has nothing to do, and a `ps`, before the rest of the program is set up, where everything is as it was the last time.
//
// An `up` that finds nothing to do is a function of what it reads: its arguments and environment, the files, and what the engine answers. So
// when it has found nothing, a note is kept of which files it looked at, which questions it asked, what all of that came to, and what it
// said. The next time the same files are read and the same questions asked, and only where all of it comes to the very same the same
// is said again. It takes a fraction of the time, since most of what the program is made of need not be set up, and nothing of
// the files be understood. In all other cases, and where anything is in doubt, the command goes its usual way.
//
// A `ps` is the same but for its last step: where the files are as they were, what it shows is a function of the engine's list of containers, whatever
// that is now. See [KeepView].
//
// The note has names of files, of services and of the project, and digests, and no content; only its user can read it.
//
// What a command that only looks at the stack asks the engine is noted, too. The next one asks it here, and reads the answers when the program is set
// up and knows that it needs them: see [Ahead].
//
// Packages are set up in an order that the language fixes (see the package release): of those whose imports are set up, the first by its path is
// next. So this one may import nothing but os and what that needs, or what comes early by its path, and speaks HTTP by itself.
package again

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/cache"
	"github.com/musterhq/muster/cmd/muster/listing"
)

// An Exchange is a question to the engine, and its answer.
type Exchange struct {
	Method, Path string // the path with the query
	Status       int
	Header       func(key string) string
	Body         []byte
}

// maxInput bounds a file that counts, maxNote a note and maxNotes how many there are.
const (
	maxInput = 4 << 20
	maxNote  = 1 << 20
	maxNotes = 64
)

// begun is this run: where its notes are, what the inputs of the one that is there come to now, and what was asked ahead, and when.
var begun struct {
	whole place // what there is of this very command
	asks  place // what commands such as this one ask; not known of up
	sum   string
	ahead []pending
	at    time.Time
}

// place is where a note is kept, and the one that is there; without a name, nothing is kept.
type place struct {
	dir, name string
	note      note
}

// looks are commands that may have asked ahead: those that do nothing but ask.
var looks = []string{"ps", "images", "volumes", "top", "exec", "port"}

func init() {
	// What comes after the command makes no difference to what it asks about the stack, and exec is run with anything.
	command := slices.IndexFunc(os.Args, func(word string) bool { return slices.Contains(looks, word) })
	switch {
	case slices.Contains(os.Args[1:], "up"):
		begun.whole = find("again", os.Args, os.Environ())
		n := begun.whole.note
		asked := askAll(n) // the engine works on it meanwhile
		begun.sum = digest(n)
		if n.given == "" || n.given != begun.sum || !answersAgain(n, asked) {
			drop(asked)
			return
		}
		if _, err := os.Stderr.WriteString(n.said); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case command > 0:
		begun.at = time.Now()
		if os.Args[command] == "ps" {
			// Of its own, since there may be many: they must not put out the one that up goes by.
			begun.whole = find("shown", os.Args, os.Environ())
			show(begun.whole.note)
		}
		begun.asks = find("again", os.Args[:command+1], os.Environ())
		begun.ahead = append(begun.ahead, askAll(begun.asks.note.without(begun.ahead))...)
	}
}

// show prints what a ps would, and ends the program. It comes back where the usual way has to be gone.
func show(n note) {
	begun.ahead = askAll(n) // the engine works on it meanwhile
	begun.sum = digest(n)
	if begun.sum == "" || begun.sum != n.given || len(begun.ahead) != 1 {
		return
	}
	asked := begun.ahead
	begun.ahead = nil
	answer, ok := hear(asked[0].fd, make([]byte, 0, 1<<20))
	drop(asked)
	if !ok {
		return
	}
	e, ok := understood(asked[0].question, answer)
	if !ok || engineSum(e) != asked[0].answer {
		return
	}
	text, ok := shown(n.view, e, time.Now())
	if !ok {
		return
	}
	if len(text) > 0 {
		if written, err := os.Stdout.Write(text); err != nil && written > 0 {
			os.Exit(1)
		} else if err != nil {
			return // nothing is lost yet, and the usual way says why
		}
	}
	os.Exit(0)
}

// shown is what is printed of an answer; ok is false where that is not certain.
func shown(view string, e Exchange, now time.Time) (text []byte, ok bool) {
	var v listing.View
	if e.Status != 200 || json.Unmarshal([]byte(view), &v) != nil {
		return nil, false
	}
	list, err := listing.Decode(e.Body, v.As)
	if err != nil || v.Mistaken(list) {
		return nil, false
	}
	return v.Text(v.Rows(list, now))
}

// fleeting begins a variable that is another one each time: where docker listens for its plugin, to tell it that it ends.
const fleeting = "DOCKER_CLI_PLUGIN_SOCKET="

// find looks for the note of a command.
func find(kind string, args, environ []string) (p place) {
	dir := folder(environ)
	cwd, err := os.Getwd()
	if dir == "" || err != nil {
		return p
	}
	program, err := cache.Program()
	if err != nil {
		return p
	}
	key := sha256.New()
	cache.Put(key, program, cwd)
	cache.Put(key, args...)
	cache.Put(key, slices.DeleteFunc(slices.Sorted(slices.Values(environ)), func(kv string) bool { return strings.HasPrefix(kv, fleeting) })...)
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		cache.Put(key, terminal(f))
	}
	p.dir, p.name = dir+"/"+kind, hex(key.Sum(nil))
	f, err := os.Open(p.dir + "/" + p.name)
	if err != nil {
		return p
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return p
	}
	if n, ok := parse(string(data)); ok {
		p.note = n
	}
	return p
}

// folder is where muster keeps things; empty is nowhere.
func folder(environ []string) string {
	cached, home := "", ""
	for _, kv := range environ { // the last one counts
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "MUSTER_NO_CACHE":
			if value != "" {
				return ""
			}
		case "XDG_CACHE_HOME":
			cached = value
		case "HOME":
			home = value
		}
	}
	switch {
	case strings.HasPrefix(cached, "/"):
		return cached + "/muster"
	case strings.HasPrefix(home, "/"):
		return home + "/.cache/muster"
	}
	return ""
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

// digest is what the inputs of a note come to now; empty where one cannot be relied on.
func digest(n note) string {
	sum := sha256.New()
	for _, in := range n.inputs {
		cache.Put(sum, in.Path, strconv.FormatBool(in.Read))
		info, err := os.Stat(in.Path)
		if err != nil {
			cache.Put(sum, "none", err.Error())
			continue
		}
		cache.Put(sum, info.Mode().Type().String())
		if !in.Read {
			continue
		}
		if !info.Mode().IsRegular() || info.Size() > maxInput {
			return ""
		}
		text, err := os.ReadFile(in.Path)
		if err != nil {
			return ""
		}
		cache.Put(sum, info.Mode().String())
		cache.Put(sum, text)
	}
	return string(sum.Sum(nil))
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

// Possible says whether a note can be kept of this run.
func Possible() bool { return begun.whole.name != "" || begun.asks.name != "" }

// Expect notes which inputs count, for the next run.
func Expect(inputs []Input) { begun.whole.keep(note{inputs: sorted(inputs)}) }

// Keep notes that this run found nothing to do, and what it asked and said. That counts where the inputs were known before this run and are still the
// same; else only which they are is kept. words are the names of networks and volumes that count, and of the project. A note that cannot be written
// is none.
func Keep(socket string, inputs []Input, words []string, asked []Exchange, said string) {
	n, same := noted(inputs)
	if same {
		n.socket, n.words, n.said = socket, plain(words), said
		// What the engine has most to say about takes it longest, so it is asked first, and heard last.
		longest := func(a, b Exchange) int {
			return cmp.Or(cmp.Compare(len(b.Body), len(a.Body)), strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		}
		for _, e := range slices.SortedFunc(slices.Values(asked), longest) {
			n.questions = append(n.questions, question{e.Method, e.Path, answerSum(e, n.words)})
		}
	}
	begun.whole.keep(n)
}

// KeepView notes that this run has shown no more than a view of the engine's list of containers, for which it had that answer and at that time printed
// that text. It counts as with [Keep], and where the same text can be made here.
func KeepView(socket string, inputs []Input, view listing.View, list Exchange, now time.Time, text []byte) {
	n, same := noted(inputs)
	of, err := json.Marshal(view)
	again, ok := shown(string(of), list, now)
	if same && err == nil && ok && bytes.Equal(again, text) {
		n.socket, n.view, n.questions = socket, string(of), []question{{list.Method, list.Path, engineSum(list)}}
	} else {
		n.given = ""
	}
	begun.whole.keep(n)
}

// noted is a note with the inputs, and says whether they were known before this run and are still the same.
func noted(inputs []Input) (n note, same bool) {
	n.inputs = sorted(inputs)
	if sum := digest(n); sum != "" && sum == begun.sum && slices.Equal(n.inputs, begun.whole.note.inputs) {
		n.given = sum
	}
	return n, n.given != ""
}

// plain gives words that stand in JSON as they are; where one may be written in another way, none, and all networks and volumes count.
func plain(words []string) []string {
	for _, w := range words {
		for _, c := range w {
			if c < ' ' || c > '~' || strings.ContainsRune(`"\<>&/`, c) {
				return nil
			}
		}
	}
	return words
}

func sorted(inputs []Input) []Input {
	inputs = slices.Clone(inputs)
	slices.SortFunc(inputs, func(a, b Input) int {
		if a.Path == b.Path && a.Read != b.Read {
			return strings.Compare(strconv.FormatBool(a.Read), strconv.FormatBool(b.Read))
		}
		return strings.Compare(a.Path, b.Path)
	})
	return slices.Compact(inputs)
}

// keep writes a note, where it is another one than before.
func (p *place) keep(n note) {
	if text := n.text(); p.name != "" && len(text) < maxNote && text != p.note.text() {
		_ = cache.Keep(p.dir, p.name, []byte(text), maxNotes)
	}
}
