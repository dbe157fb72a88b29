package again

import (
	"strconv"
	"strings"
)

// An Input is a path that a command has looked at.
type Input struct {
	Path string
	// Read says that its content counts, and not only what kind of file is there.
	Read bool
}

// note is what is kept.
type note struct {
	inputs []Input
	// given is the digest of the inputs; empty where they were not the same before and after.
	given string
	// socket is where the engine listens.
	socket string
	// words are the names of the networks and volumes that count, and of the project, which their labels have.
	words     []string
	questions []question
	said      string // on the standard error output, by an up
	view      string // of the engine's list, by a ps: a [listing.View]
}

// question is one to the engine, with the digest of what it answered.
type question struct{ method, path, answer string }

// text is a note as it is kept: the lists and texts one after the other, each after its length.
func (n note) text() string {
	var out strings.Builder
	number := func(i int) { out.WriteString(strconv.Itoa(i) + "\n") }
	put := func(text string) {
		number(len(text))
		out.WriteString(text)
	}
	number(len(n.inputs))
	for _, in := range n.inputs {
		put(strconv.FormatBool(in.Read))
		put(in.Path)
	}
	put(n.given)
	put(n.socket)
	number(len(n.words))
	for _, w := range n.words {
		put(w)
	}
	number(len(n.questions))
	for _, q := range n.questions {
		put(q.method)
		put(q.path)
		put(q.answer)
	}
	put(n.said)
	put(n.view)
	return out.String()
}

// parse reads one back; ok is false where it is not whole.
func parse(text string) (n note, ok bool) {
	ok = true
	number := func() int {
		line, rest, found := strings.Cut(text, "\n")
		i, err := strconv.Atoi(line)
		if !found || err != nil || i < 0 || i > len(rest) {
			ok, text = false, ""
			return 0
		}
		text = rest
		return i
	}
	get := func() string {
		i := number()
		value := text[:i]
		text = text[i:]
		return value
	}
	for range number() {
		read := get() == "true"
		n.inputs = append(n.inputs, Input{Read: read, Path: get()})
	}
	n.given, n.socket = get(), get()
	for range number() {
		n.words = append(n.words, get())
	}
	for range number() {
		n.questions = append(n.questions, question{get(), get(), get()})
	}
	n.said, n.view = get(), get()
	if !ok || text != "" {
		return note{}, false
	}
	return n, true
}
