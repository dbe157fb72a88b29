package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/cmd/muster/listing"
	"github.com/musterhq/muster/planner"
)

type portOptions struct {
	protocol, format string
	index            int
}

func (p *program) portCommand() *cobra.Command {
	var o portOptions
	cmd := &cobra.Command{
		Use: "port SERVICE [PRIVATE_PORT]", GroupID: groupLook,
		Short: "Print where a port of a container is published",
		Example: `  muster port web 80           # such as 0.0.0.0:32768
  muster port web              # all of them
  muster port --index 2 web 80 # of the second container`,
		Args:              needs(1, "a service"),
		ValidArgsFunction: p.firstServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return &usageError{problem: "port wants a service and one port", hint: "Usage: " + useLine(cmd)}
			}
			return p.port(cmd.Context(), o, args[0], args[1:])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.protocol, "protocol", "tcp", "`PROTOCOL` of the port: tcp, udp or sctp")
		f.IntVar(&o.index, "index", 0, "Of container number `N` of the service")
		f.StringVar(&o.format, "format", "text", "`FORMAT`: text, or json for an object a line")
	})
	return cmd
}

// portLine is a published port.
type portLine struct {
	Host      string
	Published int
	Target    int
	Protocol  string
}

// port is the command.
func (p *program) port(ctx context.Context, o portOptions, service string, private []string) error {
	if err := checkFormat(o.format, "text", "json"); err != nil {
		return err
	}
	target, protocol := 0, strings.ToLower(o.protocol)
	if len(private) > 0 {
		var err error
		number, suffix, found := strings.Cut(private[0], "/")
		if found {
			protocol = suffix
		}
		if target, err = strconv.Atoi(number); err != nil {
			return &usageError{problem: fmt.Sprintf("%q is not a port", private[0])}
		}
	}
	on, c, err := p.oneContainer(ctx, service, o.index, false)
	if err != nil {
		return err
	}
	defer on.Close()
	found := publishedAt(c.Ports, target, protocol)
	if target > 0 && len(found) > 1 {
		found = found[:1] // docker compose tells the first, and scripts count on one line
	}
	if target > 0 && len(found) == 0 {
		return &usageError{problem: fmt.Sprintf("no port %d/%s for container %s: %s", target, protocol, c.Name, orNothing(portsText(c.Ports)))}
	}
	for _, l := range found {
		if o.format == "json" {
			if err := encodeLine(p.out, l); err != nil {
				return err
			}
			continue
		}
		text := net.JoinHostPort(l.Host, strconv.Itoa(l.Published))
		if target == 0 {
			text = fmt.Sprintf("%d/%s -> %s", l.Target, l.Protocol, text)
		}
		fmt.Fprintln(p.out, text)
	}
	return nil
}

// publishedAt are the places where a port is published, or where all are.
func publishedAt(ports []planner.Port, target int, protocol string) []portLine {
	var out []portLine
	for _, port := range listing.SortedPorts(listedPorts(ports)) {
		if port.Published > 0 && (target == 0 || port.Target == target && port.Protocol == protocol) {
			out = append(out, portLine{port.HostIP, port.Published, port.Target, port.Protocol})
		}
	}
	return out
}

func orNothing(text string) string {
	if text == "" {
		return "it publishes nothing"
	}
	return text
}
