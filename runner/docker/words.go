package docker

import (
	"slices"
	"strings"
)

// words are what an engine said of a transfer or a build, in small letters.
type words string

// wordsOf are those of an error.
func wordsOf(err error) words { return words(strings.ToLower(said(err))) }

// has says whether one of the texts is among them.
func (w words) has(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(string(w), text) })
}

// unanswered says whether a registry cannot be reached.
func (w words) unanswered() bool {
	return w.has("no such host", "connection refused", "connection reset", "i/o timeout", "deadline exceeded", "network is unreachable", "name resolution", "eof")
}

// failing says whether a registry answers that it cannot answer.
func (w words) failing() bool {
	return w.has("500 internal server error", "502 bad gateway", "503 service unavailable", "504 gateway time")
}

// trouble is what is wrong with a registry itself, whoever asks it for whatever, and what to do about it; empty where it is something
// else. otherwise is one more thing to do.
func (w words) trouble(host string, err error, otherwise string) (reason, hint string) {
	switch {
	case w.unanswered():
		return host + " does not answer", "look at the engine's network and proxy" + otherwise
	case w.failing():
		return host + " has trouble of its own (" + strings.TrimSpace(said(err)) + ")", "try again later" + otherwise
	case w.has("x509", "certificate"):
		return "the certificate of " + host + " is not trusted by the engine", "install its CA for the engine (/etc/docker/certs.d/" + host + "/ca.crt)"
	}
	return "", ""
}
