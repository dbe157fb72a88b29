package agent

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// All comes in order, whatever the sizes of the pieces, and then what ended it.
func TestReadAhead(t *testing.T) {
	broken := errors.New("broken")
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, (chunks+3)*chunkSize + 7} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		for _, c := range []struct {
			end  error
			want error
		}{{io.EOF, nil}, {broken, broken}, {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}} {
			a := readAhead(io.MultiReader(bytes.NewReader(text), iotest.ErrReader(c.end)))
			got, err := io.ReadAll(a)
			a.Close()
			if !bytes.Equal(got, text) || !errors.Is(err, c.want) {
				t.Errorf("%d bytes, then %v: %d bytes, then %v", size, c.end, len(got), err)
			}
		}
	}
}

// Whoever stops in the midst of it lets the other reader go.
func TestReadAheadIsClosed(t *testing.T) {
	from := &counted{}
	a := readAhead(from)
	if _, err := io.ReadFull(a, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	a.Close()
	n := from.n
	if n > (chunks+1)*chunkSize {
		t.Errorf("%d bytes were read for 100", n)
	}
	if _, err := from.Read(make([]byte, 1)); err != nil || from.n != n+1 {
		t.Errorf("it is still read: %d bytes, %v", from.n, err)
	}
}

// counted never ends.
type counted struct{ n int }

func (c *counted) Read(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
