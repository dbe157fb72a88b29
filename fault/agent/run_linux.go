package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"golang.org/x/sys/unix"
)

// Run sends new connections through the proxy, as a [Spec] in JSON says, until in or ctx ends. It writes a line to out once it does.
func Run(ctx context.Context, text string, in io.Reader, out io.Writer) error {
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	harm, err := toxic(spec.Toxic)
	if err != nil {
		return err
	}
	var ways []way
	for _, text := range spec.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		p, err := listen(ctx, harm, netip.AddrPortFrom(address, uint16(spec.Port)))
		if err != nil {
			return fmt.Errorf("listen for connections to %s: %w", address, err)
		}
		defer p.listener.Close()
		go p.serve()
		ways = append(ways, way{to: address, port: uint16(spec.Port), via: uint16(p.listener.Addr().(*net.TCPAddr).Port)})
	}
	free, err := redirect(ways)
	if err != nil {
		return fmt.Errorf("send connections through the proxy (the kernel needs nf_tables with nat, and the agent NET_ADMIN): %w", err)
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return free()
	}
	<-ctx.Done()
	return free()
}

// proxy is that for one address, with what Toxiproxy can do to a connection. The rest of Toxiproxy is not used: it could not mark the connections that
// it makes, and its metrics take their time whenever muster starts.
type proxy struct {
	harm     *toxics.ToxicWrapper
	upstream string
	listener net.Listener
}

func listen(ctx context.Context, harm *toxics.ToxicWrapper, to netip.AddrPort) (*proxy, error) {
	// Redirected connections of this host arrive at its loopback.
	local := "127.0.0.1:0"
	if to.Addr().Is6() {
		local = "[::1]:0"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", local)
	if err != nil {
		return nil, err
	}
	return &proxy{harm: harm, upstream: to.String(), listener: l}, nil
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		go p.connect(client.(*net.TCPConn))
	}
}

// connect connects the two ends. Where nobody answers, the client gets a reset: it is connected to us already.
func (p *proxy) connect(client *net.TCPConn) {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark) })
		if failed != nil {
			return failed
		}
		return err
	}}
	upstream, err := dialer.Dial("tcp", p.upstream)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	p.pass(client, upstream.(*net.TCPConn), stream.Upstream)
	p.pass(upstream.(*net.TCPConn), client, stream.Downstream)
}
