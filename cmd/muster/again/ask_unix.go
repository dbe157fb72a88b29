//go:build unix

package again

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// patience is how long the engine may take to go on with an answer, in seconds. After that the command goes its usual way, which
// can say what it waits for.
const patience = 3

// maxAnswer bounds an answer.
const maxAnswer = 64 << 20

// answersAgain says whether the engine answers all that a note has with the same as before. All was asked before the first answer is read, so that the
// engine works on them at a time, and this program needs no threads for that.
func answersAgain(n note, asked []pending) bool {
	room := make([]byte, 0, 1<<20)
	for _, p := range slices.Backward(asked) {
		answer, ok := hear(p.fd, room)
		if !ok {
			return false
		}
		room = answer[:0]
		if e, ok := understood(p.question, answer); !ok || answerSum(e, n.words) != p.answer {
			return false
		}
	}
	return len(asked) > 0
}

// askAll asks everything; none where that does not go.
func askAll(n note) (asked []pending) {
	for _, q := range n.questions {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err == nil {
			asked = append(asked, pending{q, n.socket, fd})
		}
		if err != nil || !ask(fd, n.socket, q) {
			drop(asked)
			return nil
		}
	}
	return asked
}

// drop gives up what was asked.
func drop(asked []pending) {
	for _, p := range asked {
		_ = syscall.Close(p.fd)
	}
}

// connection is one that can be read with patience, and closed meanwhile.
func connection(fd int) (io.ReadCloser, bool) {
	if syscall.SetNonblock(fd, true) != nil {
		_ = syscall.Close(fd)
		return nil, false
	}
	return os.NewFile(uintptr(fd), "engine"), true
}

// ask puts one question, in HTTP/1.0: then the answer's end is that of the connection.
func ask(fd int, socket string, q question) bool {
	syscall.CloseOnExec(fd)
	limit := syscall.Timeval{Sec: patience}
	if syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit) != nil ||
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit) != nil ||
		syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket}) != nil {
		return false
	}
	text := []byte(q.method + " " + q.path + " HTTP/1.0\r\nHost: docker\r\nUser-Agent: muster\r\n\r\n")
	for len(text) > 0 {
		n, err := retried(func() (int, error) { return syscall.Write(fd, text) })
		if err != nil {
			return false
		}
		text = text[n:]
	}
	return true
}

// hear reads an answer to its end, into the room that there is and as much more as it takes. Of what is new only what is written to is taken from the
// kernel.
func hear(fd int, room []byte) (answer []byte, ok bool) {
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

// understood takes an answer apart.
func understood(q question, answer []byte) (Exchange, bool) {
	head, body, ok := bytes.Cut(answer, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	fields := strings.Fields(lines[0])
	if !ok || len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/1.") {
		return Exchange{}, false
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil {
		return Exchange{}, false
	}
	header := map[string]string{}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ":")
		header[strings.ToLower(key)] = strings.TrimSpace(value)
	}
	if header["transfer-encoding"] != "" {
		return Exchange{}, false
	}
	return Exchange{
		Method: q.method, Path: q.path, Status: status, Body: body,
		Header: func(key string) string { return header[strings.ToLower(key)] },
	}, true
}
