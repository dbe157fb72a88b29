package planner

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// defaultDriver is that of volumes that name none.
const defaultDriver = "local"

// planVolumes makes the volumes that are missing, and carries those over that were asked for. One that differs only in
// what is no other place for its data stays as it is, with a warning.
func (b *builder) planVolumes() {
	b.exchange()
	for _, key := range b.ownVolumes {
		v := b.want.Volumes[key]
		name := volumeName(b.want, key, v)
		if m := b.migrations[name]; m != nil {
			if !m.exchange {
				b.migrate(m)
			}
			continue
		}
		have := b.have.volumes[name]
		item := Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Unchanged}
		switch {
		case have == nil:
			v.Name = name
			b.volumeSteps[name] = b.graph.add(Step{
				Action:  CreateVolume{Name: name, Spec: v, Labels: b.volumeLabels(key, v)},
				Because: []Change{{Path: "volumes." + key, To: name}},
			})
			item.Verdict, item.Summary = Create, "new volume"
		case have.Labels[LabelProject] != b.want.Name:
			b.warn("volume %s was not made for this project (%s); it is used as it is", name, owner(have.Labels))
		default:
			if changes := b.volumeChanges(key, v, have); len(changes) > 0 {
				item.Changes = changes
				b.warn("volume %s is kept as it is, since making it anew would lose its data; it differs from the file in %s",
					name, listed(changes, "volumes."+key+"."))
			}
		}
		b.items = append(b.items, item)
	}
}

func (b *builder) findOwnVolumes() {
	used := b.usedVolumes()
	b.ownVolumes = slices.DeleteFunc(keys(b.want.Volumes), func(key string) bool { return !used[key] || bool(b.want.Volumes[key].External) })
}

// listed names the fields that differ, with their values.
func listed(changes []Change, prefix string) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = strings.TrimPrefix(c.Path, prefix) + " (" + arrow(c, false) + ")"
	}
	return strings.Join(parts, ", ")
}

// volumeChanges says in what the volume that is there differs from the file. Nobody may change it.
func (b *builder) volumeChanges(key string, v project.Volume, have *Volume) []Change {
	changes, known := b.differing[key]
	if !known {
		changes = b.compareVolume(key, v, have)
		b.differing[key] = changes
	}
	return changes
}

func (b *builder) compareVolume(key string, v project.Volume, have *Volume) []Change {
	v.Name = have.Name
	spec, err := project.VolumeSpec(v)
	if err != nil {
		return nil
	}
	if label := have.Labels[LabelSpec]; label != "" {
		changes := b.recordedChanges("volumes."+key+".", label, string(spec), plainRules{})
		return slices.DeleteFunc(changes, func(c Change) bool {
			return fieldOf(c.Path) == "driver" && cmp.Or(c.From, defaultDriver) == cmp.Or(c.To, defaultDriver)
		})
	}
	driver := cmp.Or(v.Driver, defaultDriver)
	if have.Driver != "" && have.Driver != driver {
		return []Change{{Path: "volumes." + key + ".driver", From: have.Driver, To: driver}}
	}
	was := have.Labels[LabelConfigHash]
	if hash, err := project.VolumeHash(v); err != nil || was == "" || was == hash {
		return nil
	}
	if made := have.Made; made != nil {
		made, wanted := *made, v
		made.Name, wanted.Driver = wanted.Name, driver
		was, wasErr := project.VolumeSpec(made)
		is, isErr := project.VolumeSpec(wanted)
		if changes, err := diffSpecs("volumes."+key+".", string(was), string(is), plainRules{}); errors.Join(wasErr, isErr, err) == nil {
			return changes
		}
	}
	return []Change{{Path: "volumes." + key + ".config-hash",
		From: "made by docker compose " + have.Labels[LabelVersion] + "; its config-hash differs", To: "this file"}}
}
