package agent

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// mark is on the proxy's own connections, which go where they want to. All agents have the same, or two of them for the same
// way would send a connection to each other for ever.
const mark = 0x6d757374

// tableOwned (NFT_TABLE_F_OWNER) lets the kernel remove a table when the socket is closed that made it, so when its process ends.
const tableOwned = 0x2

// way leads connections to an address and port to a port of this host.
type way struct {
	to        netip.Addr
	port, via uint16
}

// redirect sends new connections the ways that are given, until free is called or the process ends.
func redirect(ways []way) (free func() error, err error) {
	free, err = redirectWith(ways, tableOwned)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return redirectWith(ways, 0) // a kernel before 5.12
	}
	return free, err
}

func redirectWith(ways []way, flags uint32) (free func() error, err error) {
	kernel, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, err
	}
	families := map[bool]nftables.TableFamily{false: nftables.TableFamilyIPv4, true: nftables.TableFamilyIPv6}
	var tables []*nftables.Table
	for is6, family := range families {
		var rules [][]expr.Any
		for _, w := range ways {
			if w.to.Is6() == is6 {
				rules = append(rules, w.rule())
			}
		}
		if len(rules) == 0 {
			continue
		}
		// The port tells agents in one network apart.
		t := kernel.AddTable(&nftables.Table{Name: fmt.Sprintf("muster-fault-%d", ways[0].via), Family: family, Flags: flags})
		chain := kernel.AddChain(&nftables.Chain{
			Name: "out", Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
		})
		for _, r := range rules {
			kernel.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: r})
		}
		tables = append(tables, t)
	}
	if err := kernel.Flush(); err != nil {
		return nil, errors.Join(err, kernel.CloseLasting())
	}
	return func() error {
		for _, t := range tables {
			kernel.DelTable(t)
		}
		return errors.Join(kernel.Flush(), kernel.CloseLasting())
	}, nil
}

// rule matches the first packet of a connection: without that, connections from before would be torn apart where the kernel
// has not followed them yet.
func (w way) rule() []expr.Any {
	address, offset := w.to.AsSlice(), uint32(16) // of the destination in the header
	if w.to.Is6() {
		offset = 24
	}
	const (
		protocolTCP         = unix.IPPROTO_TCP
		fin, syn, rst, ack  = 0x01, 0x02, 0x04, 0x10
		portOffset, portLen = 2, 2
		flagsOffset         = 13
	)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocolTCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: address},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: portOffset, Len: portLen},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(w.port)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{syn}},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(mark)},
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(w.via)},
		&expr.Redir{RegisterProtoMin: 1},
	}
}
