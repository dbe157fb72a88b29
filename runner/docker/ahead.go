package docker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Ahead has questions answered by connections on which they were already asked, until something else is done than to ask. take gives the one for a
// question, if there is one, and learns so what is asked; it may be called by several at a time. Where it comes to nothing the engine is asked in the usual way.
// It fails where docker's configuration has headers for each question: those were not sent.
func (e *Engine) Ahead(take func(method, path string) (answer io.ReadCloser, ok bool)) error {
	if len(e.config.HTTPHeaders) > 0 {
		return errors.New("what is asked ahead has no headers")
	}
	return e.through(func(next http.RoundTripper) http.RoundTripper { return &ahead{next: next, take: take} })
}

// ahead is a transport that finds some answers there.
type ahead struct {
	next http.RoundTripper
	take func(method, path string) (answer io.ReadCloser, ok bool)
	over atomic.Bool // something was done
}

func (a *ahead) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case !asks(req):
		a.over.Store(true)
	case !a.over.Load():
		if answer, ok := a.take(req.Method, req.URL.RequestURI()); ok {
			if resp, err := readAnswer(req, answer); err == nil {
				return resp, nil
			}
		}
	}
	return a.next.RoundTrip(req)
}

// readAnswer reads what was asked elsewhere, until its reader has enough of it.
func readAnswer(req *http.Request, from io.ReadCloser) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), func() { _ = from.Close() })
	resp, err := http.ReadResponse(bufio.NewReader(from), req)
	if err != nil {
		stop()
		_ = from.Close()
		return nil, err
	}
	resp.Body = &aheadBody{ReadCloser: resp.Body, from: from, stop: stop}
	return resp, nil
}

type aheadBody struct {
	io.ReadCloser
	from io.Closer
	stop func() bool
}

func (b *aheadBody) Close() error {
	b.stop()
	_ = b.from.Close()
	return nil
}
