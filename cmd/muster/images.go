package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

type imagesOptions struct {
	quiet  bool
	format string
}

func (p *program) imagesCommand() *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use: "images [SERVICE...]", GroupID: groupLook,
		Short: "List the images that containers run",
		Example: `  muster images               # of all containers
  muster images -q web        # IDs only
  muster images --format json`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.images(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print IDs only, each once")
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table or json")
	})
	return cmd
}

// imageRow is a container's image, with docker compose's keys.
type imageRow struct {
	ID            string
	ContainerName string
	Repository    string
	Tag           string
	Platform      string
	Size          int64
	LastTagTime   time.Time
}

// images is the command.
func (p *program) images(ctx context.Context, o imagesOptions, services []string) error {
	if err := checkFormat(o.format, "table", "json"); err != nil {
		return err
	}
	on, of, err := p.containersOf(ctx, services, askAhead)
	if err != nil {
		return err
	}
	defer on.Close()
	var ids []string
	for _, c := range of {
		if !slices.Contains(ids, c.ImageID) {
			ids = append(ids, c.ImageID)
		}
	}
	details, err := on.ImageDetails(ctx, ids)
	if err != nil {
		return err
	}
	if o.quiet {
		for _, id := range ids {
			fmt.Fprintln(p.out, strings.TrimPrefix(id, "sha256:"))
		}
		return nil
	}
	rows := make([]imageRow, 0, len(of))
	for _, c := range of {
		rows = append(rows, newImageRow(c, details[c.ImageID]))
	}
	if o.format == "json" {
		return encodeLine(p.out, rows)
	}
	return p.printImages(rows)
}

// newImageRow describes the image of a container; one that is gone has no more than its ID.
func newImageRow(c planner.Container, d docker.ImageDetail) imageRow {
	r := imageRow{ID: cmp.Or(d.ID, c.ImageID), ContainerName: c.Name, Platform: d.Platform, Size: d.Size, LastTagTime: d.Tagged}
	tag := c.Image
	if len(d.Tags) > 0 && !slices.Contains(d.Tags, tag) {
		tag = d.Tags[0]
	}
	if len(d.Tags) > 0 {
		at := strings.LastIndexByte(tag, ':')
		if at <= strings.LastIndexByte(tag, '/') { // the colon of a registry's port, or none
			tag, at = tag+":latest", len(tag)
		}
		r.Repository, r.Tag = tag[:at], tag[at+1:]
	}
	return r
}

func (p *program) printImages(rows []imageRow) error {
	type line struct{ Container, Repository, Tag, Platform, ID, Size, Created string }
	var lines []line
	for _, r := range rows {
		id := strings.TrimPrefix(r.ID, "sha256:")
		created := "N/A"
		if !r.LastTagTime.IsZero() {
			created = units.HumanDuration(p.now().Sub(r.LastTagTime)) + " ago"
		}
		lines = append(lines, line{
			r.ContainerName, cmp.Or(r.Repository, "<none>"), cmp.Or(r.Tag, "<none>"), r.Platform, id[:min(12, len(id))],
			sizeText(r.Size), created,
		})
	}
	return printColumns(p.out, broad, `table {{.Container}}\t{{.Repository}}\t{{.Tag}}\t{{.Platform}}\t{{.ID}}\t{{.Size}}\t{{.Created}}`,
		map[string]string{
			"Container": "CONTAINER", "Repository": "REPOSITORY", "Tag": "TAG", "Platform": "PLATFORM", "ID": "IMAGE ID", "Size": "SIZE",
			"Created": "CREATED",
		}, asAny(lines))
}
