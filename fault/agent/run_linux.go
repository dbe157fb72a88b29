package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
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
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	var ways []way
	for _, text := range spec.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		p, err := listen(ctx, server, address, spec)
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

// proxy is Toxiproxy's for one address. Its own loop is not used: it could not mark the connections that it makes.
type proxy struct {
	*toxiproxy.Proxy
	server   *toxiproxy.ApiServer
	listener net.Listener
}

func listen(ctx context.Context, server *toxiproxy.ApiServer, to netip.Addr, spec Spec) (*proxy, error) {
	// Redirected connections of this host arrive at its loopback.
	local := "127.0.0.1:0"
	if to.Is6() {
		local = "[::1]:0"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", local)
	if err != nil {
		return nil, err
	}
	upstream := net.JoinHostPort(to.String(), strconv.Itoa(spec.Port))
	p := &proxy{Proxy: toxiproxy.NewProxy(server, "fault", l.Addr().String(), upstream), server: server, listener: l}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(spec.Toxic)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return p, nil
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
	upstream, err := dialer.Dial("tcp", p.Upstream)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	name := client.RemoteAddr().String()
	p.Toxics.StartLink(p.server, name+"upstream", client, upstream, stream.Upstream)
	p.Toxics.StartLink(p.server, name+"downstream", upstream, client, stream.Downstream)
}
