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
// What a command asks the engine when it first looks at the stack is noted, too. The next one asks it at its start (see the package ask), and reads the
// answers when the program is set up and knows that it needs them: see [Ahead].
//
// Packages are set up in an order that the language fixes (see the package release): of those whose imports are set up, the first by its path is
// next. So this one may import nothing but os and what that needs, or what comes early by its path, and speaks HTTP by itself.
package again

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/cache"
	"github.com/musterhq/muster/cmd/muster/ask"
	"github.com/musterhq/muster/cmd/muster/listing"
)

// An Exchange is a question to the engine, and its answer.
type Exchange struct {
	Method, Path string // the path with the query
	Status       int
	Header       func(key string) string
	Body         []byte
}

// maxInput bounds a file that counts.
const maxInput = 4 << 20

// sum is what the inputs of the note that is there come to now.
var sum string

func init() {
	begun := &ask.Begun
	switch {
	case begun.Command == "up":
		n := begun.Whole.Note
		sum = digest(n)
		asked := begun.Asked
		begun.Asked = nil
		if n.Given == "" || n.Given != sum || !answersAgain(n, asked) {
			ask.Drop(asked)
			begun.Ahead()
			return
		}
		if _, err := os.Stderr.WriteString(n.Said); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case begun.Command == "ps":
		show(begun.Whole.Note)
		begun.Ahead()
	}
}

// show prints what a ps would, and ends the program. It comes back where the usual way has to be gone.
func show(n ask.Note) {
	sum = digest(n)
	asked := ask.Begun.Asked
	if sum == "" || sum != n.Given || len(asked) != 1 {
		return
	}
	ask.Begun.Asked = nil
	answer, ok := ask.Hear(asked[0].FD, make([]byte, 0, 1<<20))
	ask.Drop(asked)
	if !ok {
		return
	}
	e, ok := understood(asked[0].Question, answer)
	if !ok || engineSum(e) != asked[0].Answer {
		return
	}
	text, ok := shown(n.View, e, time.Now())
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

// digest is what the command and the inputs of a note come to now; empty where one cannot be relied on.
func digest(n ask.Note) string {
	sum := sha256.New()
	cache.Put(sum, ask.Begun.Whole.Of...)
	for _, in := range n.Inputs {
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

// Possible says whether a note can be kept of this run.
func Possible() bool { return ask.Begun.Whole.Name != "" || ask.Begun.Asks.Name != "" }

// Expect notes which inputs count, for the next run.
func Expect(inputs []ask.Input) { ask.Begun.Whole.Keep(ask.Note{Inputs: sorted(inputs)}) }

// Keep notes that this run found nothing to do, and what it asked and said. That counts where the inputs were known before this run and are still the
// same; else only which they are is kept. words are the names of networks and volumes that count, and of the project. A note that cannot be written
// is none.
func Keep(socket string, inputs []ask.Input, words []string, asked []Exchange, said string) {
	n, same := noted(inputs)
	if same {
		n.Socket, n.Words, n.Said = socket, plain(words), said
		// What the engine has most to say about takes it longest, so it is asked first, and heard last.
		longest := func(a, b Exchange) int {
			return cmp.Or(cmp.Compare(len(b.Body), len(a.Body)), strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		}
		for _, e := range slices.SortedFunc(slices.Values(asked), longest) {
			n.Questions = append(n.Questions, ask.Question{Method: e.Method, Path: e.Path, Answer: answerSum(e, n.Words)})
		}
	}
	ask.Begun.Whole.Keep(n)
}

// KeepView notes that this run has shown no more than a view of the engine's list of containers, for which it had that answer and at that time printed
// that text. It counts as with [Keep], and where the same text can be made here.
func KeepView(socket string, inputs []ask.Input, view listing.View, list Exchange, now time.Time, text []byte) {
	n, same := noted(inputs)
	of, err := json.Marshal(view)
	again, ok := shown(string(of), list, now)
	if same && err == nil && ok && bytes.Equal(again, text) {
		n.Socket, n.View, n.Questions = socket, string(of), []ask.Question{{Method: list.Method, Path: list.Path, Answer: engineSum(list)}}
	} else {
		n.Given = ""
	}
	ask.Begun.Whole.Keep(n)
}

// noted is a note with the inputs, and says whether they were known before this run and are still the same.
func noted(inputs []ask.Input) (n ask.Note, same bool) {
	n.Inputs = sorted(inputs)
	if now := digest(n); now != "" && now == sum && slices.Equal(n.Inputs, ask.Begun.Whole.Note.Inputs) {
		n.Given = now
	}
	return n, n.Given != ""
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

func sorted(inputs []ask.Input) []ask.Input {
	inputs = slices.Clone(inputs)
	slices.SortFunc(inputs, func(a, b ask.Input) int {
		if a.Path == b.Path && a.Read != b.Read {
			return strings.Compare(strconv.FormatBool(a.Read), strconv.FormatBool(b.Read))
		}
		return strings.Compare(a.Path, b.Path)
	})
	return slices.Compact(inputs)
}
