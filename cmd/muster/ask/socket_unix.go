//go:build unix

package ask

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
)

// patience is how long the engine may take to go on with an answer, in seconds. After that the command goes its usual way, which
// can say what it waits for.
const patience = 3

// maxAnswer bounds an answer.
const maxAnswer = 64 << 20

// All asks everything that a note has; none where that does not go.
func All(n Note) (asked []Pending) {
	for _, q := range n.Questions {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err == nil {
			asked = append(asked, Pending{q, n.Socket, fd})
		}
		if err != nil || !put(fd, n.Socket, q) {
			Drop(asked)
			return nil
		}
	}
	return asked
}

// Drop gives up what was asked.
func Drop(asked []Pending) {
	for _, p := range asked {
		_ = syscall.Close(p.FD)
	}
}

// Connection is one that can be read with patience, and closed meanwhile.
func Connection(fd int) (io.ReadCloser, bool) {
	if syscall.SetNonblock(fd, true) != nil {
		_ = syscall.Close(fd)
		return nil, false
	}
	return os.NewFile(uintptr(fd), "engine"), true
}

// put asks one question, in HTTP/1.0: then the answer's end is that of the connection.
func put(fd int, socket string, q Question) bool {
	syscall.CloseOnExec(fd)
	limit := syscall.Timeval{Sec: patience}
	if syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit) != nil ||
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit) != nil ||
		syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket}) != nil {
		return false
	}
	text := []byte(q.Method + " " + q.Path + " HTTP/1.0\r\nHost: docker\r\nUser-Agent: muster\r\n\r\n")
	for len(text) > 0 {
		n, err := retried(func() (int, error) { return syscall.Write(fd, text) })
		if err != nil {
			return false
		}
		text = text[n:]
	}
	return true
}

// Hear reads an answer to its end, into the room that there is and as much more as it takes. Of what is new only what is written to is taken from the
// kernel.
func Hear(fd int, room []byte) (answer []byte, ok bool) {
	answer = room[:0]
	for {
		if len(answer) == cap(answer) {
			answer = slices.Grow(answer, max(len(answer), 64<<10))
		}
		n, err := retried(func() (int, error) { return syscall.Read(fd, answer[len(answer):cap(answer)]) })
		if err != nil || len(answer) > maxAnswer {
			return nil, false
		}
		if n == 0 {
			return answer, true
		}
		answer = answer[:len(answer)+n]
	}
}

// retried goes on after a signal.
func retried(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
