package again

import (
	"io"
	"slices"
	"strings"
	"time"
)

// pending is a question that was asked, and not taken yet.
type pending struct {
	question
	socket string
	fd     int
}

// fresh is how long after it was asked an answer is as good as a new one: a command may wait for its standard input before it looks.
const fresh = 3 * time.Second

// Ahead gives the connection on which the answer to a question comes that was asked at the start of this run, if it was; once. The answer is
// one of HTTP/1.0: its end is that of the connection.
func Ahead(socket, method, path string) (answer io.ReadCloser, ok bool) {
	i := slices.IndexFunc(begun.ahead, func(p pending) bool { return p.socket == socket && p.method == method && p.path == path })
	if i < 0 || time.Since(begun.at) > fresh {
		return nil, false
	}
	fd := begun.ahead[i].fd
	begun.ahead = slices.Delete(begun.ahead, i, i+1)
	return connection(fd)
}

// AskNext notes what the engine was asked, for the next run to ask ahead. What was asked ahead in this one and not taken is dropped.
func AskNext(socket string, asked []Exchange) {
	drop(begun.ahead)
	begun.ahead = nil
	n := note{socket: socket}
	for _, e := range asked {
		n.questions = append(n.questions, question{method: e.Method, path: e.Path})
	}
	slices.SortFunc(n.questions, func(a, b question) int { return strings.Compare(a.method+a.path, b.method+b.path) })
	begun.asks.keep(n)
}

// without is a note that asks for less: for what was not asked yet.
func (n note) without(asked []pending) note {
	n.questions = slices.DeleteFunc(slices.Clone(n.questions), func(q question) bool {
		return slices.ContainsFunc(asked, func(p pending) bool { return p.socket == n.socket && p.method == q.method && p.path == q.path })
	})
	return n
}
