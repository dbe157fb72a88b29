package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/runner/docker"
)

type volumesOptions struct {
	quiet  bool
	format string
}

func (p *program) volumesCommand() *cobra.Command {
	var o volumesOptions
	cmd := &cobra.Command{
		Use: "volumes [SERVICE...]", GroupID: groupLook,
		Short: "List the stack's volumes",
		Example: `  muster volumes               # all of the project
  muster volumes db            # those that a service's containers mount
  muster volumes --format json # an object a line`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.volumes(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print names only")
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table, json, or a Go template")
	})
	return cmd
}

// volumeRow is a volume as docker prints it.
type volumeRow struct {
	Availability string
	Driver       string
	Group        string
	Labels       string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string

	labels map[string]string
}

// Label is the value of one label, for templates.
func (r volumeRow) Label(name string) string { return r.labels[name] }

func newVolumeRow(v docker.VolumeDetail) volumeRow {
	const unknown = "N/A" // what only a cluster or an expensive question tells
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		labels = append(labels, key+"="+v.Labels[key])
	}
	return volumeRow{
		Availability: unknown, Driver: v.Driver, Group: unknown, Labels: strings.Join(labels, ","), Links: unknown, Mountpoint: v.Mountpoint,
		Name: v.Name, Scope: v.Scope, Size: unknown, Status: unknown, labels: v.Labels,
	}
}

// volumes is the command.
func (p *program) volumes(ctx context.Context, o volumesOptions, services []string) error {
	on, seen, err := p.glanced(ctx, services)
	if err != nil {
		return err
	}
	defer on.Close()
	all, err := on.VolumeDetails(ctx, seen.name)
	if err != nil {
		return err
	}
	var rows []volumeRow
	for _, v := range all {
		if len(services) == 0 || seen.mounts(services, v.Name) {
			rows = append(rows, newVolumeRow(v))
		}
	}
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(p.out, r.Name)
		}
		return nil
	case o.format == "json":
		return encodeLines(p.out, rows)
	}
	format := o.format
	if format == "" || format == "table" {
		format = `table {{.Driver}}\t{{.Name}}`
	}
	return printTemplate(p.out, format, map[string]string{"Name": "VOLUME NAME", "Driver": "DRIVER"}, asAny(rows))
}

// mounts says whether one of the services' containers has a volume.
func (o observed) mounts(services []string, volume string) bool {
	for _, c := range o.have.Containers {
		if !slices.Contains(services, c.Service) {
			continue
		}
		for _, m := range c.Mounts {
			if m.Name == volume {
				return true
			}
		}
	}
	return false
}
