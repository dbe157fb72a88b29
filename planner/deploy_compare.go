package planner

import (
	"slices"
	"sort"
	"strings"
)

// deployedRules compare services that an engine keeps: for them the whole of deploy counts, and nothing of what only muster
// does itself.
type deployedRules struct{ serviceRules }

func (deployedRules) ignored(path string) bool {
	switch path {
	case "container_name", "post_start", "pre_stop", "pre_start":
		return true
	}
	if strings.HasPrefix(path, "deploy.") {
		return false
	}
	return serviceRules{}.ignored(path)
}

// deployedChanges says in what the engine's service differs from the file.
func (b *builder) deployedChanges(d *deployment) []Change {
	var out []Change
	if d.mode != d.have.Mode {
		out = append(out, Change{Path: d.path("deploy.mode"), From: string(d.have.Mode), To: string(d.mode)})
	}
	if label := d.have.Labels[LabelSpec]; label == "" {
		out = append(out, Change{Path: d.path("labels"), To: "muster's own: it was deployed by another tool"})
	} else {
		out = append(out, b.recordedChanges(d.path(""), label, d.json, deployedRules{})...)
		out = append(out, b.objectChanges(d)...)
	}
	if !d.mode.Everywhere() && d.mode == d.have.Mode && d.have.Replicas != d.scale {
		out = append(out, Change{Path: d.path("deploy.replicas"), From: count(d.have.Replicas), To: count(d.scale)})
	}
	if !b.how.IgnoreDrift {
		for _, c := range d.have.Drift {
			c.Path, c.Drift = d.path(c.Path), true
			if !mentions(out, c.Path) {
				out = append(out, c)
			}
		}
		if d.have.Update == UpdatePaused {
			out = append(out, Change{Path: d.path("update"), From: "paused: " + d.have.Message, To: "carried on", Drift: true})
		}
	}
	if d.forced {
		out = append(out, Change{Path: d.path("recreate"), To: "forced"})
	}
	if c := b.failedRun(d); c != nil && len(out) == 0 {
		d.again = true
		out = append(out, Change{Path: d.path("status"), From: statusText(c), To: "run again", Drift: true})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// failedRun is a container of a job that has come to a bad end, where none is on its way any more; nil for none.
func (b *builder) failedRun(d *deployment) *Container {
	if !d.mode.Job() || d.have.Mode != d.mode || d.have.Completed >= d.have.Replicas {
		return nil
	}
	var failed *Container
	for _, c := range b.have.services[d.name] {
		switch {
		case c.completed():
		case c.Status == Exited, c.Status == Dead:
			failed = c
		default:
			return nil
		}
	}
	return failed
}

// objectChanges notices configs and secrets whose content is another, or that go by another name.
func (b *builder) objectChanges(d *deployment) []Change {
	was := readContent(d.have.Labels[LabelContent])
	now := b.content(d.spec)
	var out []Change
	for _, key := range keys(d.objects) {
		if slices.Contains(d.have.Objects, d.objects[key]) {
			continue
		}
		if old, ok := was[key]; ok && old != now[key] {
			out = append(out, Change{Path: d.path(key + ".content"), From: short(old), To: short(now[key])})
		} else if ok {
			out = append(out, Change{Path: d.path(key + ".name"), To: d.objects[key], Drift: true})
		}
	}
	return out
}

// stays says whether a change leaves the service's containers as they are.
func (d *deployment) stays(c Change) bool {
	switch field := strings.TrimPrefix(c.Path, d.path("")); {
	case field == "deploy.replicas", field == "image" && d.open, field == "deploy.endpoint_mode", field == "labels" && d.have.Labels[LabelSpec] == "", field == "update":
		return true
	case strings.HasPrefix(field, "deploy.labels."), strings.HasPrefix(field, "deploy.update_config."), strings.HasPrefix(field, "deploy.rollback_config."):
		return true
	}
	return false
}

// impact is how much its changes disturb what runs.
func (d *deployment) impact() Impact {
	impact := NoImpact
	for _, c := range d.changes {
		impact = max(impact, InPlace)
		if !d.stays(c) || d.mode.Job() { // whatever is changed of a job, it is run again
			return Replace
		}
	}
	return impact
}
