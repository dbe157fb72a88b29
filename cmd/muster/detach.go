package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// defaultDetachKeys is docker's sequence.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// errDetached says that the user has typed the keys that leave a container to itself.
var errDetached = errors.New("read escape sequence")

// detachKeys reads a sequence in docker's form: letters, and ctrl- with a letter or one of @ [ \ ] ^ _, joined by commas.
func detachKeys(text string) ([]byte, error) {
	var out []byte
	for _, key := range strings.Split(text, ",") {
		b, ok := keyCode(key)
		if !ok {
			return nil, &usageError{
				problem: fmt.Sprintf("invalid --detach-keys %q", text),
				hint:    `write keys such as "ctrl-p,ctrl-q" or "ctrl-x"`,
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// keyCode is what a terminal sends for a key.
func keyCode(key string) (byte, bool) {
	if len(key) == 1 {
		return key[0], true
	}
	letter, isControl := strings.CutPrefix(strings.ToLower(key), "ctrl-")
	if !isControl || len(letter) != 1 {
		return 0, false
	}
	c := letter[0]
	switch {
	case c >= 'a' && c <= 'z':
		return c - 'a' + 1, true
	case c == '@':
		return 0, true
	case c >= '[' && c <= '_':
		return c - 'A' + 1, true
	}
	return 0, false
}

// detachReader passes on what is typed until the keys that detach come. The beginning of the sequence is
// held back until it is known not to be one.
type detachReader struct {
	in   io.Reader
	keys []byte
	seen int    // how many keys of the sequence have been typed
	held []byte // to hand out before more is read
	err  error  // after held
}

// Read gives [errDetached] once the keys have been typed.
func (r *detachReader) Read(p []byte) (int, error) {
	for len(r.held) == 0 && r.err == nil {
		buffer := make([]byte, max(len(p), 1))
		n, err := r.in.Read(buffer)
		r.take(buffer[:n])
		if err != nil && r.err == nil {
			// What was held back is text after all.
			r.held = append(r.held, r.keys[:r.seen]...)
			r.seen, r.err = 0, err
		}
	}
	n := copy(p, r.held)
	r.held = r.held[n:]
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// take sorts what was typed into text and keys.
func (r *detachReader) take(typed []byte) {
	for _, b := range typed {
		if len(r.keys) > 0 && b == r.keys[r.seen] {
			if r.seen++; r.seen == len(r.keys) {
				r.seen, r.err = 0, errDetached
				return
			}
			continue
		}
		r.held = append(r.held, r.keys[:r.seen]...)
		r.seen = 0
		if len(r.keys) > 0 && b == r.keys[0] && len(r.keys) > 1 {
			r.seen = 1
			continue
		}
		r.held = append(r.held, b)
	}
}
