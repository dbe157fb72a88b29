package docker

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/docker/docker/client"
)

// Exchange is a question to the engine with its whole answer.
type Exchange struct {
	Method, Path string // the path with the query
	// Status is 0 where there was no answer, or where its end was not read.
	Status int
	Header http.Header
	Body   []byte
}

// Witness has each exchange from now on shown, when its answer has been read, until see says that it has seen enough; see may be called by several at a
// time. Connections that are taken over, such as those of builds and of running programs, are not.
func (e *Engine) Witness(see func(Exchange) (more bool)) error {
	return e.through(func(next http.RoundTripper) http.RoundTripper { return &witness{next: next, see: see} })
}

// through puts a transport before the one that the client has.
func (e *Engine) through(before func(next http.RoundTripper) http.RoundTripper) error {
	c := e.client.HTTPClient()
	c.Transport = before(c.Transport)
	return client.WithHTTPClient(c)(e.client)
}

// asks says whether a request changes nothing.
func asks(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

// witness is a transport that shows what passes.
type witness struct {
	next http.RoundTripper
	see  func(Exchange) (more bool)
	over atomic.Bool // nothing is shown any more, nor copied
}

// RoundTrip answers with a body that is copied while it is read. What is no question is shown before it is sent.
func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	said := Exchange{Method: req.Method, Path: req.URL.RequestURI()}
	if !asks(req) {
		w.show(said)
	}
	resp, err := w.next.RoundTrip(req)
	switch {
	case !asks(req) || w.over.Load():
	case err != nil:
		w.show(said)
	default:
		said.Header = resp.Header
		resp.Body = &witnessed{ReadCloser: resp.Body, status: resp.StatusCode, said: said, by: w}
	}
	return resp, err
}

func (w *witness) show(said Exchange) {
	if !w.over.Load() && !w.see(said) {
		w.over.Store(true)
	}
}

// witnessed is a body that is copied while it is read.
type witnessed struct {
	io.ReadCloser
	status int
	said   Exchange
	copied bytes.Buffer
	by     *witness
	once   sync.Once
	whole  bool
}

// Read copies, as long as anybody wants to see it: some answers, such as events, never end.
func (b *witnessed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.by.over.Load() {
		b.copied = bytes.Buffer{}
		return n, err
	}
	b.copied.Write(p[:n])
	if err == io.EOF {
		b.whole = true
		b.end()
	}
	return n, err
}

// Close ends the answer, which may have an end that its reader did not need: JSON tells where it is over.
func (b *witnessed) Close() error {
	if !b.whole && !b.by.over.Load() {
		const little = 4 << 10
		rest, err := io.ReadAll(io.LimitReader(b.ReadCloser, little))
		b.copied.Write(rest)
		b.whole = err == nil && len(rest) < little
	}
	b.end()
	return b.ReadCloser.Close()
}

func (b *witnessed) end() {
	b.once.Do(func() {
		if b.whole {
			b.said.Status, b.said.Body = b.status, b.copied.Bytes()
		}
		b.by.show(b.said)
	})
}
