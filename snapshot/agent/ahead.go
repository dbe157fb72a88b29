package agent

import (
	"errors"
	"io"
)

// A chunk is what is read ahead at a time; there are so many of them that what is written now and then does not hold the reading up. More would be
// memory that is new from the kernel, which costs more than it is worth.
const (
	chunkSize = 256 << 10
	chunks    = 16
)

// ahead reads from another reader while what was read before is used: unpacking takes one processor, and writing files another.
type ahead struct {
	full <-chan piece
	free chan []byte
	done chan struct{} // closed when nobody reads any more
	over chan struct{} // closed when the other reader is let go
	now  piece
	left []byte // of now
}

type piece struct {
	text []byte
	err  error // after the text
}

// readAhead begins to read. Until Close returns, the other reader is in use.
func readAhead(from io.Reader) *ahead {
	full := make(chan piece, chunks)
	a := &ahead{full: full, free: make(chan []byte, chunks), done: make(chan struct{}), over: make(chan struct{})}
	for range chunks {
		a.free <- make([]byte, chunkSize)
	}
	go func() {
		defer close(a.over)
		for {
			var text []byte
			select {
			case text = <-a.free:
			case <-a.done:
				return
			}
			n, err := io.ReadFull(from, text)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				// Either the end, or that of an archive which is cut off: reading on says which.
				_, err = io.ReadFull(from, make([]byte, 1))
			}
			full <- piece{text[:n], err} // there is room for all
			if err != nil {
				return
			}
		}
	}()
	return a
}

// Read gives what was read ahead, and then the error that ended it.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.left) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.text != nil {
			a.free <- a.now.text[:chunkSize]
		}
		a.now = <-a.full
		a.left = a.now.text
	}
	n := copy(p, a.left)
	a.left = a.left[n:]
	return n, nil
}

// Close ends the reading.
func (a *ahead) Close() {
	close(a.done)
	<-a.over
}
