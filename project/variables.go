package project

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
)

// variable is one ${…} of a text.
type variable struct {
	name     string
	operator string // "", ":-", "-", ":?", "?", ":+", "+"
	word     string // after the operator
	braced   bool
}

// references finds the variables of a text in their order, those in defaults
// not looked into. A dollar that begins no variable is left to the template package.
func references(text string) []variable {
	var out []variable
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 >= len(text) {
			continue
		}
		switch next := text[i+1]; {
		case next == '$':
			i++
		case next == '{':
			end := closing(text, i+1)
			if end < 0 {
				return out
			}
			out = append(out, split(text[i+2:end]))
			i = end
		case isNameStart(next):
			j := i + 1
			for j < len(text) && isName(text[j]) {
				j++
			}
			out = append(out, variable{name: text[i+1 : j]})
			i = j - 1
		}
	}
	return out
}

// closing is the index of the brace that closes the one at open.
func closing(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func split(inside string) variable {
	i := 0
	for i < len(inside) && isName(inside[i]) {
		i++
	}
	r := variable{name: inside[:i], braced: true}
	rest := inside[i:]
	for _, op := range []string{":-", ":?", ":+", "-", "?", "+"} {
		if word, ok := strings.CutPrefix(rest, op); ok {
			r.operator, r.word = op, word
			return r
		}
	}
	return r
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isName(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' }

// unsetVariables are those that the text uses without a default and that have
// no value: they become empty text.
func unsetVariables(text string, lookup template.Mapping) []string {
	return unsetWithin(text, lookup, 20)
}

func unsetWithin(text string, lookup template.Mapping, depth int) []string {
	if depth == 0 || !strings.Contains(text, "$") {
		return nil
	}
	var out []string
	for _, r := range references(text) {
		value, ok := lookup(r.name)
		use := false // whether the word counts
		switch r.operator {
		case "":
			if !ok && r.name != "" {
				out = append(out, r.name)
			}
		case "-":
			use = !ok
		case ":-":
			use = value == ""
		case "+":
			use = ok
		case ":+":
			use = value != ""
		}
		if use {
			out = append(out, unsetWithin(r.word, lookup, depth-1)...)
		}
	}
	return out
}

// templateError says what is wrong with the variables of a text.
func templateError(e *Error, text string, err error) *Error {
	var required *template.MissingRequiredError
	if asError(err, &required) {
		e.Problem = "variable " + required.Variable + " has to have a value"
		if required.Reason != "" {
			e.Problem += ": " + required.Reason
		}
		e.Hint = "set it in the environment or in .env"
		return e
	}
	e.Problem = quote(text) + " has a $ that begins no variable"
	e.Hint = "write $$ for a plain $, or ${NAME}"
	return e
}
