package again

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"hash"
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
	var whole pieces
	whole.split(e.Body)
	var object container
	one := sha256.New()
	kept := make([]partSum, 0, len(whole.parts))
	for _, p := range whole.parts {
		one.Reset()
		cache.Put(one, p.list)
		switch {
		case strings.HasSuffix(path, "/containers/json"):
			object.put(one, p.text)
		case strings.HasSuffix(path, "/images/json"):
			from, to := field(p.text, "Containers") // how many have it, whoever made them
			cache.Put(one, p.text[:from], p.text[to:])
		case !others || mentions(p.text, words):
			cache.Put(one, p.text)
		default:
			continue
		}
		kept = append(kept, partSum(one.Sum(nil)))
	}
	if !others {
		cache.Put(sum, whole.around) // else it has a comma for each of them
	}
	slices.SortFunc(kept, func(a, b partSum) int { return bytes.Compare(a[:], b[:]) })
	for _, k := range kept {
		_, _ = sum.Write(k[:])
	}
	return string(sum.Sum(nil))
}

// partSum is what a part of an answer comes to.
type partSum [sha256.Size]byte

// container has room for what one comes to, for one after the other: of what costs time, most is memory that is new.
type container struct {
	text []byte
	pieces
}

// put adds one to a digest, but for the order of its lists and for its time.
func (c *container) put(to hash.Hash, text []byte) {
	c.text = timeless(c.text[:0], text)
	c.split(c.text)
	slices.SortFunc(c.parts, func(a, b part) int { return cmp.Or(strings.Compare(a.list, b.list), bytes.Compare(a.text, b.text)) })
	cache.Put(to, c.around)
	for _, p := range c.parts {
		cache.Put(to, p.list)
		cache.Put(to, p.text)
	}
}

// engineSum is what an engine says of itself.
func engineSum(e Exchange) string {
	sum := sha256.New()
	for _, key := range []string{"Api-Version", "Builder-Version", "Docker-Experimental", "Ostype", "Server", "Swarm", "Libpod-Api-Version"} {
		cache.Put(sum, e.Header(key))
	}
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

// pieces are the objects of a JSON list, or of the lists right in an object: "[{…},{…}]", `{"Volumes":[{…}]}`; and what is around them.
type pieces struct {
	around []byte
	parts  []part
	open   []byte // the brackets that are, of use to split only
}

// split takes them apart. What is no JSON comes back as it is, or in parts which are all there.
func (p *pieces) split(body []byte) {
	p.around, p.parts, p.open = p.around[:0], p.parts[:0], p.open[:0]
	level := 2 // that the objects are in
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		level = 1
	}
	begin, end, list := -1, 0, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			i = afterString(body, i) - 1
		case '{', '[':
			switch depth := len(p.open); {
			case depth == level-1 && c == '[':
				list++
			case depth == level && c == '{' && p.open[depth-1] == '[':
				begin = i
			}
			p.open = append(p.open, c)
		case '}', ']':
			if len(p.open) > 0 {
				p.open = p.open[:len(p.open)-1]
			}
			if len(p.open) == level && begin >= 0 {
				p.around = append(p.around, body[end:begin]...)
				p.parts = append(p.parts, part{strconv.Itoa(list), body[begin : i+1]})
				begin, end = -1, i+1
			}
		}
	}
	p.around = append(p.around, body[end:]...)
}

// afterString is where the string ends that begins at i.
func afterString(text []byte, i int) int {
	for i++; ; {
		end := bytes.IndexByte(text[i:], '"')
		if end < 0 {
			return len(text)
		}
		slash := bytes.IndexByte(text[i:i+end], '\\')
		if slash < 0 {
			return i + end + 1
		}
		i += slash + 2
	}
}

// timeless appends a container without what its own Status says beside the words in parentheses: those are its health and its exit code, the rest
// says how long ago that was. Whether it runs is in its State.
func timeless(to, container []byte) []byte {
	from, end := field(container, "Status")
	if from == end || container[from] != '"' {
		return append(to, container...)
	}
	to = append(to, container[:from]...)
	to = lasting(to, container[from:end])
	return append(to, container[end:]...)
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

// lasting appends the words in parentheses.
func lasting(to, status []byte) []byte {
	to = append(to, '"')
	for part := range bytes.SplitAfterSeq(status, []byte(")")) {
		if i := bytes.IndexByte(part, '('); i >= 0 {
			to = append(to, part[i:]...)
		}
	}
	return append(to, '"')
}
