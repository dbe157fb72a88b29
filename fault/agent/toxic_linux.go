package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// toxic reads one in the form of Toxiproxy's API, with the same defaults: downstream, and for all connections.
func toxic(text []byte) (*toxics.ToxicWrapper, error) {
	// What is in its attributes depends on its type.
	t := &toxics.ToxicWrapper{Stream: stream.Downstream.String(), Toxicity: 1, Toxic: new(toxics.NoopToxic)}
	err := json.Unmarshal(text, t)
	if err == nil {
		t.Direction, err = stream.ParseDirection(t.Stream)
	}
	if err == nil && toxics.New(t) == nil {
		err = fmt.Errorf("no toxic is called %q", t.Type)
	}
	if err == nil {
		err = json.Unmarshal(text, &struct {
			Attributes toxics.Toxic `json:"attributes"`
		}{t.Toxic})
	}
	if err != nil {
		return nil, fmt.Errorf("read toxic: %w", err)
	}
	return t, nil
}

// pass hands over what one end sends to the other, through the toxic where it is one of that direction, and closes the other end when that is over.
func (p *proxy) pass(from, to *net.TCPConn, direction stream.Direction) {
	if p.harm.Direction != direction {
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}()
		return
	}
	sent, arriving := make(chan *stream.StreamChunk, p.harm.BufferSize), make(chan *stream.StreamChunk)
	stub := toxics.NewToxicStub(sent, arriving)
	if stateful, ok := p.harm.Toxic.(toxics.StatefulToxic); ok {
		stub.State = stateful.NewState()
	}
	if _, ok := p.harm.Toxic.(*toxics.ResetToxic); ok {
		_, _ = from.SetLinger(0), to.SetLinger(0) // a close is a reset
	}
	go stub.Run(p.harm)
	go func() {
		in := stream.NewChanWriter(sent)
		_, _ = io.Copy(in, from)
		_ = in.Close()
	}()
	go func() {
		_, _ = io.Copy(to, stream.NewChanReader(arriving))
		_ = to.Close()
	}()
}
