// Package again answers an `up` that has nothing to do before the rest of the program is set up, where everything is as it was the last time.
//
// An `up` that finds nothing to do is a function of what it reads: its arguments and environment, the files, and what the engine answers. So
// when it has found nothing, a note is kept of which files it looked at, which questions it asked, what all of that came to, and what it
// said. The next time the same files are read and the same questions asked, and only where all of it comes to the very same the same
// is said again. It takes a fraction of the time, since most of what the program is made of need not be set up, and nothing of
// the files be understood. In all other cases, and where anything is in doubt, the command goes its usual way.
//
// The note has names of files and digests, and no content; only its user can read it.
//
// What a command that only looks at the stack asks the engine is noted, too. The next one asks it here, and reads the answers when the program is set
// up and knows that it needs them: see [Ahead].
//
// Packages are set up in an order that the language fixes (see the package release): of those whose imports are set up, the first by its path is
// next. So this one may import nothing but os and what that needs, or what comes early by its path, and speaks HTTP by itself.
package again

import (
	"crypto/sha256"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/cache"
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

// begun is this run: where its note is, what the inputs of the one that is there come to now, and what was asked ahead, and when.
var begun struct {
	dir, name string // empty: nothing is kept
	note      note
	sum       string
	ahead     []pending
	at        time.Time
}

// looks are commands that may have asked ahead: those that do nothing but ask.
var looks = []string{"ps", "images", "volumes", "top", "exec", "port"}

func init() {
	if !slices.Contains(os.Args[1:], "up") {
		// What comes after the command makes no difference to what it asks about the stack, and exec is run with anything.
		if i := slices.IndexFunc(os.Args, func(word string) bool { return slices.Contains(looks, word) }); i > 0 {
			begin(os.Args[:i+1], os.Environ())
			begun.at, begun.ahead = time.Now(), askAll(begun.note)
		}
		return
	}
	begin(os.Args, os.Environ())
	if begun.note.given == "" || begun.note.given != begun.sum || !answersAgain(begun.note) {
		return
	}
	if _, err := os.Stderr.WriteString(begun.note.said); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// begin finds the note of a command, and looks at its inputs.
func begin(args, environ []string) {
	dir := folder(environ)
	cwd, err := os.Getwd()
	if dir == "" || err != nil {
		return
	}
	program, err := cache.Program()
	if err != nil {
		return
	}
	key := sha256.New()
	cache.Put(key, program, cwd)
	cache.Put(key, args...)
	cache.Put(key, slices.Sorted(slices.Values(environ))...)
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		cache.Put(key, terminal(f))
	}
	begun.dir, begun.name = dir, hex(key.Sum(nil))
	f, err := os.Open(dir + "/" + begun.name)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return
	}
	if n, ok := parse(string(data)); ok {
		begun.note, begun.sum = n, digest(n.inputs)
	}
}

// folder is where notes are kept; empty is nowhere.
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
		return cached + "/muster/again"
	case strings.HasPrefix(home, "/"):
		return home + "/.cache/muster/again"
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

// digest is what the inputs come to now; empty where one cannot be relied on.
func digest(inputs []Input) string {
	sum := sha256.New()
	for _, in := range inputs {
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
		cache.Put(sum, info.Mode().String(), string(text))
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
func Possible() bool { return begun.dir != "" }

// Expect notes which inputs count, for the next run.
func Expect(inputs []Input) { keep(note{inputs: sorted(inputs)}) }

// Keep notes that this run found nothing to do, and what it asked and said. That counts where the inputs were known before this run and are still the
// same; else only which they are is kept. words are the names of networks and volumes that count, and of the project. A note that cannot be written
// is none.
func Keep(socket string, inputs []Input, words []string, asked []Exchange, said string) {
	n := note{inputs: sorted(inputs)}
	if sum := digest(n.inputs); sum != "" && sum == begun.sum && slices.Equal(n.inputs, begun.note.inputs) {
		n.given, n.socket, n.words, n.said = sum, socket, plain(words), said
		for _, e := range asked {
			n.questions = append(n.questions, question{e.Method, e.Path, answerSum(e, n.words)})
		}
	}
	keep(n)
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

func keep(n note) {
	if text := n.text(); begun.dir != "" && len(text) < maxNote {
		_ = cache.Keep(begun.dir, begun.name, []byte(text), maxNotes)
	}
}
