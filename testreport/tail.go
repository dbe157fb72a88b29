package testreport

import "strings"

// Tail keeps the last lines of a text, up to so many bytes. The zero value keeps nothing.
type Tail struct {
	Room int // bytes

	lines []string
	size  int
	left  int
}

// Add adds a line. One that is longer than half the room is cut.
func (t *Tail) Add(line string) {
	line = cut(Plain(line), t.Room/2)
	t.lines = append(t.lines, line)
	t.size += len(line) + 1
	drop := 0
	for t.size > t.Room && drop < len(t.lines) {
		t.size -= len(t.lines[drop]) + 1
		drop++
	}
	t.left += drop
	t.lines = t.lines[drop:]
}

// Text is what was kept, and how many lines before it were not.
func (t *Tail) Text() (text string, left int) {
	if len(t.lines) == 0 {
		return "", t.left
	}
	return strings.Join(t.lines, "\n") + "\n", t.left
}

// Last are the last n lines.
func (t *Tail) Last(n int) []string { return t.lines[max(0, len(t.lines)-n):] }

// cut shortens a text, and shows that it did.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:max(0, most)], "") + "…"
}
