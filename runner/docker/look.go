package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// What people ask of an engine, and plans do not need.

// Processes are those of a container, as ps prints them on the engine's machine.
type Processes struct {
	Titles []string
	Rows   [][]string // a value for each title
}

// Processes lists a running container's processes.
func (e *Engine) Processes(ctx context.Context, name string) (Processes, error) {
	if err := e.connect(ctx); err != nil {
		return Processes{}, err
	}
	got, err := e.client.ContainerTop(ctx, name, nil)
	if err != nil {
		return Processes{}, e.wrap(ctx, err, "list the processes of container", name)
	}
	return Processes{Titles: got.Titles, Rows: got.Processes}, nil
}

// ImageDetail is what the engine knows of one image.
type ImageDetail struct {
	ID       string
	Tags     []string // references as the user may write them
	Platform string   // "linux/amd64"
	Size     int64    // in bytes
	Created  time.Time
	Tagged   time.Time // when it got its latest tag on this engine
}

// ImageDetails looks at images by their ID or a reference. Those that are not there are left out.
func (e *Engine) ImageDetails(ctx context.Context, ids []string) (map[string]ImageDetail, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	found := make([]*ImageDetail, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(idleConnections)
	for i, id := range ids {
		group.Go(func() error {
			got, err := e.client.ImageInspect(ctx, id)
			if gone(err) {
				return nil
			}
			if err != nil {
				return e.wrap(ctx, err, "inspect image", id)
			}
			d := ImageDetail{ID: got.ID, Platform: got.Os + "/" + got.Architecture, Size: got.Size, Created: parseTime(got.Created)}
			if got.Variant != "" {
				d.Platform += "/" + got.Variant
			}
			if at := got.Metadata.LastTagTime; at.Year() > 1 {
				d.Tagged = at.UTC()
			}
			d.Tags = append(d.Tags, got.RepoTags...)
			found[i] = &d
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[string]ImageDetail{}
	for i, d := range found {
		if d != nil {
			out[ids[i]] = *d
		}
	}
	return out, nil
}

// VolumeDetail is what the engine knows of one volume.
type VolumeDetail struct {
	Name, Driver, Mountpoint, Scope string
	Labels                          map[string]string
}

// VolumeDetails lists a project's volumes, sorted by name.
func (e *Engine) VolumeDetails(ctx context.Context, project string) ([]VolumeDetail, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	listed, err := e.client.VolumeList(ctx, volume.ListOptions{Filters: ofProject(project)})
	if err != nil {
		return nil, e.wrap(ctx, err, "list the volumes of", project)
	}
	var out []VolumeDetail
	for _, v := range listed.Volumes {
		out = append(out, VolumeDetail{Name: v.Name, Driver: v.Driver, Mountpoint: v.Mountpoint, Scope: v.Scope, Labels: v.Labels})
	}
	slices.SortFunc(out, func(a, b VolumeDetail) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// HappeningsOptions bound the time of what is told. Empty is from now on, and for ever; the forms are those of [LogOptions].
type HappeningsOptions struct{ Since, Until string }

// Happenings tells all that happens to a project's containers, and not only what changes how they are, until
// o.Until or until ctx ends.
func (e *Engine) Happenings(ctx context.Context, project string, o HappeningsOptions, each func(Event) error) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	args := ofProject(project)
	args.Add("type", string(events.ContainerEventType))
	messages, failed := e.client.Events(ctx, events.ListOptions{Since: o.Since, Until: o.Until, Filters: args})
	for {
		select {
		case m := <-messages:
			ev, _ := fromMessage(m)
			ev.Action = string(m.Action) // in the engine's own words
			if err := each(ev); err != nil {
				return err
			}
		case err := <-failed:
			if err == nil || errors.Is(err, io.EOF) {
				return nil
			}
			return e.wrap(ctx, err, "watch the events of", project)
		}
	}
}

// Usage is what a container uses at one moment.
type Usage struct {
	CPU                     float64 // in percent of one processor
	Memory, MemoryLimit     uint64  // in bytes
	Received, Sent          uint64  // over networks, in bytes
	BlockRead, BlockWritten uint64  // in bytes
	Processes               uint64
}

// Usages tells what a container uses, about once a second, until it ends, ctx does or each fails. Without follow it tells once.
func (e *Engine) Usages(ctx context.Context, name string, follow bool, each func(Usage) error) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	got, err := e.client.ContainerStats(ctx, name, follow)
	if err != nil {
		return e.wrap(ctx, err, "measure container", name)
	}
	defer got.Body.Close()
	decoder := json.NewDecoder(got.Body)
	for {
		var s container.StatsResponse
		if err := decoder.Decode(&s); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return e.wrap(ctx, err, "measure container", name)
		}
		if err := each(usageOf(s)); err != nil {
			return err
		}
		if !follow {
			return nil
		}
	}
}

// usageOf reads one sample, as the docker command does.
func usageOf(s container.StatsResponse) Usage {
	u := Usage{MemoryLimit: s.MemoryStats.Limit, Memory: s.MemoryStats.Usage, Processes: s.PidsStats.Current}
	// What the kernel would give back at once does not count.
	for _, key := range []string{"total_inactive_file", "inactive_file"} { // cgroup v1, v2
		if cache, ok := s.MemoryStats.Stats[key]; ok {
			if cache < u.Memory {
				u.Memory -= cache
			}
			break
		}
	}
	used := float64(s.CPUStats.CPUUsage.TotalUsage) - float64(s.PreCPUStats.CPUUsage.TotalUsage)
	all := float64(s.CPUStats.SystemUsage) - float64(s.PreCPUStats.SystemUsage)
	processors := float64(s.CPUStats.OnlineCPUs)
	if processors == 0 {
		processors = float64(len(s.CPUStats.CPUUsage.PercpuUsage))
	}
	if used > 0 && all > 0 {
		u.CPU = used / all * processors * 100
	}
	for _, n := range s.Networks {
		u.Received += n.RxBytes
		u.Sent += n.TxBytes
	}
	for _, b := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(b.Op) {
		case "read":
			u.BlockRead += b.Value
		case "write":
			u.BlockWritten += b.Value
		}
	}
	return u
}

// PSFormat is the format that docker's configuration wants for lists of containers; empty where it has none.
func (e *Engine) PSFormat() string { return e.config.PsFormat }
