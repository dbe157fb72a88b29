package main

import (
	"context"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
)

type vizOptions struct {
	image, networks, ports, spaces bool
	indentation                    int
}

func (p *program) vizCommand() *cobra.Command {
	var o vizOptions
	cmd := &cobra.Command{
		Use: "viz", GroupID: groupMore,
		Short: "Print what depends on what as a Graphviz graph",
		Example: `  muster viz > stack.dot # for dot -Tsvg
  muster viz --image --ports --networks
  muster viz --spaces --indentation-size 2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.viz(cmd.Context(), o) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.image, "image", false, "Write the images into the boxes")
		f.BoolVar(&o.networks, "networks", false, "Write the networks into the boxes")
		f.BoolVar(&o.ports, "ports", false, "Write the published ports into the boxes")
		f.BoolVar(&o.spaces, "spaces", false, "Indent with spaces and not with tabs")
		f.IntVar(&o.indentation, "indentation-size", 1, "Indent by `N` of them")
	})
	return cmd
}

// viz is the command.
func (p *program) viz(ctx context.Context, o vizOptions) error {
	want, err := p.load(ctx, loading{mayMiss: true})
	if err != nil {
		return err
	}
	indent := strings.Repeat("\t", max(o.indentation, 0))
	if o.spaces {
		indent = strings.Repeat(" ", max(o.indentation, 0))
	}
	fmt.Fprintf(p.out, "digraph %q {\n%slayout=dot;\n", want.Name, indent)
	names := serviceNames(want)
	for _, name := range names {
		fmt.Fprintf(p.out, "%s%q [style=\"filled\" label=<%s>];\n", indent, name, o.label(want, want.Services[name], name))
	}
	fmt.Fprintln(p.out)
	for _, name := range names {
		for _, other := range slices.Sorted(maps.Keys(want.Services[name].DependsOn)) {
			fmt.Fprintf(p.out, "%s%q -> %q;\n", indent, name, other)
		}
	}
	fmt.Fprintln(p.out, "}")
	return nil
}

// label is what stands in a service's box.
func (o vizOptions) label(want *project.Project, s project.Service, name string) string {
	text := `<font point-size="15">` + html.EscapeString(name) + "</font>"
	part := func(title string, values []string) {
		if len(values) > 0 {
			text += `<font point-size="10"><br/><br/><b>` + title + ":</b>"
			for _, v := range values {
				text += "<br/>" + html.EscapeString(v)
			}
			text += "</font>"
		}
	}
	if o.networks {
		part("Networks", slices.Sorted(maps.Keys(s.Networks)))
	}
	if o.ports {
		var ports []string
		for _, port := range s.Ports {
			at := port.Published + ":"
			if port.HostIP != "" {
				at = port.HostIP + ":" + at
			}
			ports = append(ports, fmt.Sprintf("%s%d (%s, %s)", at, port.Target, port.Protocol, port.Mode))
		}
		part("Ports", ports)
	}
	if o.image {
		s.Name = name
		part("Image", []string{want.ImageName(s)})
	}
	return text
}
