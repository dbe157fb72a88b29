package again

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/cache"
)

// answerSum is what an answer of the engine comes to: its status, what the engine says of itself, and the body, but for what changes while
// nothing does. That is the order of what an engine keeps in no order, how long ago a container was started or has ended and how many have an
// image, of which no plan makes anything, and networks and volumes that have none of the words in them: they are of others.
func answerSum(e Exchange, words []string) string {
	sum := sha256.New()
	cache.Put(sum, e.Method, e.Path, strconv.Itoa(e.Status), engineSum(e))
	path, _, _ := strings.Cut(e.Path, "?")
	others := len(words) > 0 && (strings.HasSuffix(path, "/networks") || strings.HasSuffix(path, "/volumes"))
	around, parts := split(e.Body)
	kept := make([]string, 0, len(parts))
	for _, p := range parts {
		switch {
		case strings.HasSuffix(path, "/containers/json"):
			kept = append(kept, p.list+digestParts(split(timeless(p.text))))
		case strings.HasSuffix(path, "/images/json"):
			kept = append(kept, p.list+string(unused(p.text)))
		case !others || mentions(p.text, words):
			kept = append(kept, p.list+string(p.text))
		}
	}
	if !others {
		cache.Put(sum, string(around)) // else it has a comma for each of them
	}
	slices.Sort(kept)
	cache.Put(sum, kept...)
	return string(sum.Sum(nil))
}

// engineSum is what an engine says of itself.
func engineSum(e Exchange) string {
	sum := sha256.New()
	for _, key := range []string{"Api-Version", "Builder-Version", "Docker-Experimental", "Ostype", "Server", "Swarm", "Libpod-Api-Version"} {
		cache.Put(sum, e.Header(key))
	}
	return string(sum.Sum(nil))
}

// digestParts puts the parts in an order.
func digestParts(around []byte, parts []part) string {
	sum := sha256.New()
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.list + string(p.text)
	}
	slices.Sort(texts)
	cache.Put(sum, string(around))
	cache.Put(sum, texts...)
	return string(sum.Sum(nil))
}

// mentions says whether a text has one of the words as a string of its own.
func mentions(text []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(text, []byte(`"`+w+`"`)) {
			return true
		}
	}
	return false
}

// part is an object of a list.
type part struct {
	list string // which of the lists it is of
	text []byte
}

// split takes the objects out of a JSON list, or of the lists right in an object: "[{…},{…}]", `{"Volumes":[{…}]}`. What is no JSON comes
// back as it is, or in parts which are all there.
func split(body []byte) (around []byte, parts []part) {
	level := 2 // that the objects are in
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		level = 1
	}
	var open []byte
	begin, end, list := -1, 0, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			i = afterString(body, i) - 1
		case '{', '[':
			switch depth := len(open); {
			case depth == level-1 && c == '[':
				list++
			case depth == level && c == '{' && open[depth-1] == '[':
				begin = i
			}
			open = append(open, c)
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
			if len(open) == level && begin >= 0 {
				around = append(around, body[end:begin]...)
				parts = append(parts, part{strconv.Itoa(list), body[begin : i+1]})
				begin, end = -1, i+1
			}
		}
	}
	return append(around, body[end:]...), parts
}

// afterString is where the string ends that begins at i.
func afterString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// timeless leaves out of a container what its own Status says beside the words in parentheses: those are its health and its exit code, the rest
// says how long ago that was. Whether it runs is in its State.
func timeless(container []byte) []byte {
	from, to := field(container, "Status")
	if from == to || container[from] != '"' {
		return container
	}
	return slices.Concat(container[:from], lasting(container[from:to]), container[to:])
}

// unused leaves out of an image how many containers have it, whoever made them.
func unused(image []byte) []byte {
	from, to := field(image, "Containers")
	return slices.Concat(image[:from], image[to:])
}

// field is where the value of an object's own key begins and ends; the same where it has no such key.
func field(object []byte, key string) (from, to int) {
	depth := 0
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 && from > 0 {
				return from, i
			}
		case ',':
			if depth == 1 && from > 0 {
				return from, i
			}
		case '"':
			end := afterString(object, i)
			if depth == 1 && from == 0 && string(object[i:end]) == `"`+key+`"` && bytes.HasPrefix(object[end:], []byte(":")) {
				from = end + 1
			}
			i = end - 1
		}
	}
	return 0, 0
}

// lasting are the words in parentheses.
func lasting(status []byte) []byte {
	out := []byte(`"`)
	for _, part := range strings.SplitAfter(string(status), ")") {
		if _, inside, ok := strings.Cut(part, "("); ok {
			out = append(out, "("+inside...)
		}
	}
	return append(out, '"')
}
