package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// What others need of an engine.
var (
	_ runner.Engine      = (*Engine)(nil)
	_ healthcheck.Engine = (*Stack)(nil)
)

// rig is an engine with a project of the test's own, removed when it ends.
type rig struct {
	*Stack
	t   *testing.T
	ctx context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	host := enginetest.Host(t)
	t.Parallel()
	return openRig(t, host)
}

func openRig(t *testing.T, host string) *rig {
	t.Helper()
	e, err := Open(Options{Host: host, ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	e.volumesBy = ByAgent
	// What hangs ends; on a busy machine the longest test takes two minutes.
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	r := &rig{Stack: e.Stack("mt" + strings.ToLower(rand.Text()[:8])), t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		r.clean()
		_ = e.Close()
	})
	return r
}

func (r *rig) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	filter := ofProject(r.project)
	if err := r.connect(ctx); err != nil { // nothing may have used it yet
		r.t.Error(err)
		return
	}
	there, err := r.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filter})
	if err != nil {
		r.t.Error(err)
	}
	slices.SortFunc(there, func(a, b container.Summary) int { return int(b.Created - a.Created) }) // who shares another one's namespace came later
	for _, c := range there {
		if err := r.client.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !gone(err) && !r.isPodman() {
			r.t.Error(err)
		}
	}
	nets, _ := r.client.NetworkList(ctx, network.ListOptions{Filters: filter})
	for _, n := range nets {
		if err := r.client.NetworkRemove(ctx, n.ID); err != nil {
			r.t.Error(err)
		}
	}
	vols, _ := r.client.VolumeList(ctx, volume.ListOptions{Filters: filter})
	for _, v := range vols.Volumes {
		if err := r.client.VolumeRemove(ctx, v.Name, true); err != nil {
			r.t.Error(err)
		}
	}
	r.cleanImages(ctx)
}

// cleanImages removes what was built for the project: on an engine that keeps what each run leaves, all that asks for lists of images gets
// slower with each. What an engine holds on to for its own reasons is no failure of the test.
func (r *rig) cleanImages(ctx context.Context) {
	built, err := r.client.ImageList(ctx, image.ListOptions{Filters: ofProject(r.project)})
	if err != nil {
		r.t.Error(err)
	}
	for _, img := range built {
		if _, err := r.client.ImageRemove(ctx, img.ID, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil && !gone(err) {
			r.t.Logf("image %s is left: %v", img.ID, err)
		}
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func busybox() string { return env("BUSYBOX_IMAGE", "muster.local/busybox:1") }

// do applies actions and fails the test on an error.
func (r *rig) do(actions ...planner.Action) {
	r.t.Helper()
	for _, a := range actions {
		if err := r.Apply(r.ctx, a, nil); err != nil {
			r.t.Fatalf("%T %s: %v", a, a.Resource().Name, err)
		}
	}
}

// apiVersion is the one that is spoken with the engine.
func (r *rig) apiVersion() string {
	r.t.Helper()
	info, err := r.Info(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return info.API
}

// isPodman says whether the engine is one that has neither BuildKit nor, without systemd, health checks.
func (r *rig) isPodman() bool {
	r.t.Helper()
	info, err := r.Info(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.HasPrefix(info.Name, "podman ")
}

// resolves checks that a container finds a name at an address; any where that is empty.
func (r *rig) resolves(from, name, address string) {
	r.t.Helper()
	if got := r.sh(from, "nslookup "+name+" 2>&1"); !strings.Contains(got, address) || !strings.Contains(got, name) {
		r.t.Errorf("%s is not found at %s by %s: %s", name, address, from, got)
	}
}

// refuses checks on an engine older than need that the action is refused by the name of its key; on
// others it does nothing and says no.
func (r *rig) refuses(a planner.Action, key, need string) bool {
	r.t.Helper()
	have := r.apiVersion()
	if !versions.LessThan(have, need) {
		return false
	}
	err := r.Apply(r.ctx, a, nil)
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || unsupported.Key != key || unsupported.Need != need || unsupported.Have != have {
		r.t.Errorf("%s on API %s: %v", key, have, err)
	}
	return true
}

// name is that of the first replica of a service.
func (r *rig) name(service string) string { return r.project + "-" + service + "-1" }

// shell is the creation of a container that runs a script; change adapts it.
func (r *rig) shell(service, script string, change func(*planner.CreateContainer)) planner.CreateContainer {
	a := planner.CreateContainer{
		Name: r.name(service), Number: 1, Image: busybox(),
		Spec: project.Service{Name: service},
		Labels: map[string]string{
			planner.LabelProject: r.project, planner.LabelService: service, planner.LabelNumber: "1",
			planner.LabelOneOff: "False", planner.LabelConfigHash: "0",
		},
	}
	a.Spec.Command = []string{"/bin/sh", "-c", script}
	if change != nil {
		change(&a)
	}
	return a
}

func (r *rig) network(key string) planner.CreateNetwork {
	return planner.CreateNetwork{
		Name:   r.project + "_" + key,
		Labels: map[string]string{planner.LabelProject: r.project, planner.LabelNetwork: key},
	}
}

func (r *rig) volume(key string) planner.CreateVolume {
	return planner.CreateVolume{
		Name:   r.project + "_" + key,
		Labels: map[string]string{planner.LabelProject: r.project, planner.LabelVolume: key},
	}
}

// sh runs a script in a container and gives its output.
func (r *rig) sh(name, script string) string {
	r.t.Helper()
	got, err := r.Probe(r.ctx, name, healthcheck.Check{Exec: []string{"CMD-SHELL", script}})
	if err != nil {
		r.t.Fatal(err)
	}
	if got.ExitCode != 0 {
		r.t.Fatalf("%q in %s: exit code %d: %s", script, name, got.ExitCode, got.Output)
	}
	return got.Output
}

// output reads the whole output of a container that ends. It does not follow: Docker 20.10 loses a last
// line without an end when somebody follows.
func (r *rig) output(name string) []string {
	r.t.Helper()
	if _, err := r.Wait(r.ctx, name); err != nil {
		r.t.Fatal(err)
	}
	s, err := r.Logs(r.ctx, name, LogOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return collect(r.t, s)
}

func collect(t *testing.T, s *LogStream) []string {
	t.Helper()
	defer s.Close()
	var out []string
	for {
		line, err := s.Next()
		if err != nil {
			return out
		}
		prefix := "out "
		if line.Stderr {
			prefix = "err "
		}
		out = append(out, prefix+string(line.Text))
	}
}

const sleeper = "trap 'exit 0' TERM; while :; do sleep 1; done"
