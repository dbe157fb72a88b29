package docker

import (
	"bytes"
	"io"
	"net/http"
	"sync"

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

// Witness has each exchange from now on shown, when its answer has been read; see may be called by several at a time. Connections that are taken over, such as
// those of builds and of running programs, are not.
func (e *Engine) Witness(see func(Exchange)) error {
	c := e.client.HTTPClient()
	c.Transport = &witness{next: c.Transport, see: see}
	return client.WithHTTPClient(c)(e.client)
}

// witness is a transport that shows what passes.
type witness struct {
	next http.RoundTripper
	see  func(Exchange)
}

// RoundTrip answers with a body that is copied while it is read.
func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	said := Exchange{Method: req.Method, Path: req.URL.RequestURI()}
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		w.see(said)
		return resp, err
	}
	said.Header = resp.Header
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		resp.Body = &witnessed{ReadCloser: resp.Body, status: resp.StatusCode, said: said, see: w.see}
	} else {
		w.see(said)
	}
	return resp, nil
}

// witnessed is a body that is copied while it is read.
type witnessed struct {
	io.ReadCloser
	status int
	said   Exchange
	copied bytes.Buffer
	see    func(Exchange)
	once   sync.Once
	whole  bool
}

// Read copies.
func (b *witnessed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.copied.Write(p[:n])
	if err == io.EOF {
		b.whole = true
		b.end()
	}
	return n, err
}

// Close ends the answer, which may have an end that its reader did not need: JSON tells where it is over.
func (b *witnessed) Close() error {
	if !b.whole {
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
		b.see(b.said)
	})
}
