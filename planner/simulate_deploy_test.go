package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// converge makes the world an engine that keeps services by itself, on so many machines; with none it stays what it is.
func (w *world) converge(nodes int) {
	w.state.Converges = nodes > 0
	for n := range nodes {
		w.state.Nodes = append(w.state.Nodes, Node{Name: fmt.Sprintf("node%d", n+1), Manager: n == 0, Ready: true})
	}
}

func (w *world) deployed(name string) *Deployed {
	for i := range w.state.Deployed {
		if w.state.Deployed[i].Name == name {
			return &w.state.Deployed[i]
		}
	}
	return nil
}

// deploy applies an action that only such an engine knows.
func (w *world) deploy(a Action) error {
	switch a := a.(type) {
	case ApplyService:
		return w.applyService(a)
	case RemoveService:
		w.state.Deployed = remove(w.state.Deployed, func(d Deployed) bool { return d.Name == a.Name })
	case AwaitService:
		d := w.deployed(a.Name)
		if d == nil {
			return fmt.Errorf("no service %s", a.Name)
		}
		if d.Running = d.Replicas; d.Mode.Job() {
			d.Running, d.Completed = 0, d.Replicas
		}
		if d.Update == Updating {
			d.Update = Updated
		}
	case CreateObject:
		digest := ""
		if a.Kind == KindConfig {
			digest = a.Labels[LabelContent]
		}
		w.state.Objects = append(w.state.Objects, Object{Kind: a.Kind, Name: a.Name, Labels: a.Labels, Digest: digest})
	case RemoveObject:
		for _, d := range w.state.Deployed {
			if slices.Contains(d.Objects, a.Name) {
				return fmt.Errorf("%s is removed while %s uses it", a.Name, d.Name)
			}
		}
		w.state.Objects = remove(w.state.Objects, func(o Object) bool { return o.Kind == a.Kind && o.Name == a.Name })
	}
	return nil
}

func (w *world) applyService(a ApplyService) error {
	for _, name := range a.Objects {
		if !slices.ContainsFunc(w.state.Objects, func(o Object) bool { return o.Name == name }) {
			return fmt.Errorf("no object %s", name)
		}
	}
	for _, name := range a.Networks {
		if !slices.ContainsFunc(w.state.Networks, func(n Network) bool { return n.Name == name }) {
			return fmt.Errorf("no network %s", name)
		}
	}
	w.state.Containers = remove(w.state.Containers, func(c Container) bool { return c.Service == a.Service })
	d := w.deployed(a.Name)
	if d == nil {
		w.state.Deployed = append(w.state.Deployed, Deployed{Name: a.Name, Service: a.Service, Mode: a.Mode})
		d = &w.state.Deployed[len(w.state.Deployed)-1]
	} else {
		d.Update = Updating
	}
	if d.Mode != a.Mode {
		return fmt.Errorf("the mode of a service cannot be changed")
	}
	d.Replicas, d.Labels, d.Image, d.Drift, d.Running, d.Completed, d.Objects = a.Replicas, a.Labels, a.Image, nil, 0, 0, nil
	if a.Digest != "" {
		d.Image += "@" + a.Digest
	}
	if a.Mode.Everywhere() {
		d.Replicas = len(w.state.Nodes)
	}
	d.Networks = nil
	for _, key := range keys(a.Networks) {
		d.Networks = append(d.Networks, a.Networks[key])
	}
	for _, key := range keys(a.Objects) {
		d.Objects = append(d.Objects, a.Objects[key])
	}
	return nil
}

// happenTo is what somebody does to a service behind our back.
func (w *world) happenTo(t *testing.T, f []string) {
	t.Helper()
	d := w.deployed(f[1])
	if d == nil {
		t.Fatalf("have: no service %s", f[1])
	}
	switch f[2] {
	case "drift": // PATH FROM TO
		d.Drift = append(d.Drift, Change{Path: f[3], From: f[4], To: f[5]})
	case "running":
		d.Running, _ = strconv.Atoi(f[3])
	case "replicas":
		d.Replicas, _ = strconv.Atoi(f[3])
	case "failed": // CODE: its container ended so
		code, _ := strconv.Atoi(f[3])
		d.Running, d.Completed = 0, 0
		w.state.Containers = append(w.state.Containers, Container{Name: d.Name + ".1", Service: d.Service, Number: 1, Status: Exited, ExitCode: code})
	case "update": // STATE MESSAGE...
		d.Update, d.Message = Update(f[3]), strings.Join(f[4:], " ")
	case "registered": // DIGEST: what it runs was resolved to that
		d.Image += "@" + f[3]
	case "foreign": // docker stack deploy made it
		for k := range d.Labels {
			if strings.HasPrefix(k, "dev.muster.") {
				delete(d.Labels, k)
			}
		}
	default:
		t.Fatalf("have: what is %q of a service?", f[2])
	}
}

// digestOf is what an engine says of an object's content: nothing of a secret's.
func digestOf(kind, content string) string {
	if kind != string(KindConfig) {
		return ""
	}
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}
