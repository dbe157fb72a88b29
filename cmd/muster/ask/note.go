package ask

import "strconv"

// An Input is a path that a command has looked at.
type Input struct {
	Path string
	// Read says that its content counts, and not only what kind of file is there.
	Read bool
}

// Note is what is kept.
type Note struct {
	Inputs []Input
	// Given is the digest of the inputs and of the command; empty where they were not the same before and after.
	Given string
	// Socket is where the engine listens.
	Socket string
	// Words are the names of the networks and volumes that count, and of the project, which their labels have.
	Words     []string
	Questions []Question
	Said      string // on the standard error output, by an up
	View      string // of the engine's list, by a ps: a listing.View
}

// Question is one to the engine, with the digest of what it answered.
type Question struct{ Method, Path, Answer string }

// Text is a note as it is kept: the lists and texts one after the other, each after its length.
func (n Note) Text() string {
	var out []byte
	number := func(i int) { out = append(strconv.AppendInt(out, int64(i), 10), '\n') }
	put := func(text string) {
		number(len(text))
		out = append(out, text...)
	}
	number(len(n.Inputs))
	for _, in := range n.Inputs {
		put(strconv.FormatBool(in.Read))
		put(in.Path)
	}
	put(n.Given)
	put(n.Socket)
	number(len(n.Words))
	for _, w := range n.Words {
		put(w)
	}
	number(len(n.Questions))
	for _, q := range n.Questions {
		put(q.Method)
		put(q.Path)
		put(q.Answer)
	}
	put(n.Said)
	put(n.View)
	return string(out)
}

// Parse reads one back; ok is false where it is not whole.
func Parse(text string) (n Note, ok bool) {
	ok = true
	number := func() int {
		end := 0
		for end < len(text) && text[end] != '\n' {
			end++
		}
		i, err := strconv.Atoi(text[:end])
		if err != nil || i < 0 || i >= len(text)-end {
			ok, text = false, ""
			return 0
		}
		text = text[end+1:]
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
		n.Inputs = append(n.Inputs, Input{Read: read, Path: get()})
	}
	n.Given, n.Socket = get(), get()
	for range number() {
		n.Words = append(n.Words, get())
	}
	for range number() {
		n.Questions = append(n.Questions, Question{get(), get(), get()})
	}
	n.Said, n.View = get(), get()
	if !ok || text != "" {
		return Note{}, false
	}
	return n, true
}
