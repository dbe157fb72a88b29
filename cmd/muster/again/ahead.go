package again

import (
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/cmd/muster/ask"
)

// fresh is how long after it was asked an answer is as good as a new one: a command may wait for its standard input before it looks.
const fresh = 3 * time.Second

// taking guards what was asked and is not taken: there may be several programs in a process, in tests.
var taking sync.Mutex

// Ahead gives the connection on which the answer to a question comes that was asked at the start of this run, if it was; once. The answer is
// one of HTTP/1.0: its end is that of the connection.
func Ahead(socket, method, path string) (answer io.ReadCloser, ok bool) {
	taking.Lock()
	defer taking.Unlock()
	i := slices.IndexFunc(ask.Begun.Asked, func(p ask.Pending) bool { return p.Socket == socket && p.Method == method && p.Path == path })
	if i < 0 || time.Since(ask.Begun.At) > fresh {
		return nil, false
	}
	fd := ask.Begun.Asked[i].FD
	ask.Begun.Asked = slices.Delete(ask.Begun.Asked, i, i+1)
	return ask.Connection(fd)
}

// Forget gives up what was asked ahead and not taken.
func Forget() {
	taking.Lock()
	defer taking.Unlock()
	ask.Drop(ask.Begun.Asked)
	ask.Begun.Asked = nil
}

// AskNext notes what the engine was asked, for the next run to ask ahead. What was asked ahead in this one and not taken is dropped.
func AskNext(socket string, asked []Exchange) {
	Forget()
	n := ask.Note{Socket: socket}
	for _, e := range asked {
		n.Questions = append(n.Questions, ask.Question{Method: e.Method, Path: e.Path})
	}
	slices.SortFunc(n.Questions, func(a, b ask.Question) int { return strings.Compare(a.Method+a.Path, b.Method+b.Path) })
	ask.Begun.Asks.Keep(n)
}
