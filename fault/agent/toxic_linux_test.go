package agent

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/Shopify/toxiproxy/v2/stream"
)

// A toxic is in its own direction only, and what it ends is over for both ends.
func TestPass(t *testing.T) {
	for _, c := range []struct {
		toxic, there, back string
		err                error
	}{
		{`{"type":"latency","attributes":{"latency":1}}`, "hello", "hello", nil},
		{`{"type":"latency","toxicity":0}`, "hello", "hello", nil},
		{`{"type":"limit_data","attributes":{"bytes":3}}`, "hello", "hel", nil},
		{`{"type":"latency","stream":"upstream","attributes":{"latency":1}}`, "hello", "hello", nil},
		{`{"type":"reset_peer","attributes":{"timeout":1}}`, "hello", "", syscall.ECONNRESET},
	} {
		harm, err := toxic([]byte(c.toxic))
		if err != nil {
			t.Fatal(err)
		}
		p := &proxy{harm: harm}
		client, near := pair(t)
		far, server := pair(t)
		p.pass(near, far, stream.Upstream)
		p.pass(far, near, stream.Downstream)
		got := make(chan string)
		go func() {
			text := make([]byte, len(c.there))
			_, _ = io.ReadFull(server, text)
			_, _ = server.Write(text)
			if c.err == nil {
				_ = server.CloseWrite()
			}
			got <- string(text)
		}()
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		there := <-got
		back, err := io.ReadAll(client)
		if there != c.there || string(back) != c.back || !errors.Is(err, c.err) {
			t.Errorf("%s: %q there and %q back, %v", c.toxic, there, back, err)
		}
	}
}

func TestToxic(t *testing.T) {
	for _, text := range []string{``, `{}`, `{"type":"poison"}`, `{"type":"latency","stream":"up"}`, `{"type":"latency","attributes":{"latency":"long"}}`} {
		if harm, err := toxic([]byte(text)); err == nil {
			t.Errorf("%s is %+v", text, harm)
		}
	}
}

// pair is a connection, from both ends.
func pair(t *testing.T) (one, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}
