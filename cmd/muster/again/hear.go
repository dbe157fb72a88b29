package again

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/cmd/muster/ask"
)

// answersAgain says whether the engine answers all that a note has with the same as before. All was asked before the first answer is read, so that the
// engine works on them at a time, and this program needs no threads for that.
func answersAgain(n ask.Note, asked []ask.Pending) bool {
	room := make([]byte, 0, 1<<20)
	for _, p := range slices.Backward(asked) {
		answer, ok := ask.Hear(p.FD, room)
		if !ok {
			return false
		}
		room = answer[:0]
		if e, ok := understood(p.Question, answer); !ok || answerSum(e, n.Words) != p.Answer {
			return false
		}
	}
	return len(asked) > 0
}

// understood takes an answer apart.
func understood(q ask.Question, answer []byte) (Exchange, bool) {
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
		Method: q.Method, Path: q.Path, Status: status, Body: body,
		Header: func(key string) string { return header[strings.ToLower(key)] },
	}, true
}
