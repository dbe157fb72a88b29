package planner

import (
	"slices"
	"strings"
)

// An engine cannot copy configs and secrets into a container whose root is read-only, nor to where something is mounted.
// Then it keeps them in a volume of that container alone, with [LabelFiles], which has to go when the container does:
// nothing else would ever remove it, and there may be secrets in it.

// dropFiles removes the volumes with files of containers that are gone once the plan is done. A single container is made
// beside others that may be on their way, whose volumes look like left-over ones.
func (b *builder) dropFiles() {
	if b.once != nil {
		return
	}
	var held []*Volume
	for _, v := range b.have.volumes {
		if v.Labels[LabelFiles] != "" && v.Labels[LabelProject] == b.want.Name {
			held = append(held, v)
		}
	}
	if len(held) == 0 {
		return
	}
	slices.SortFunc(held, func(a, b *Volume) int { return strings.Compare(a.Name, b.Name) })
	removed := b.removals()
	for _, v := range held {
		needs, users := []StepID{}, 0
		for _, name := range keys(b.have.containers) {
			uses := slices.ContainsFunc(b.have.containers[name].Mounts, v.holds)
			if id := removed[name]; uses && id != "" {
				needs = append(needs, id)
			} else if uses {
				users++
			}
		}
		if users > 0 {
			continue
		}
		why := Change{Path: "volumes." + v.Name, From: "configs and secrets of a container that goes"}
		if len(needs) == 0 {
			why.From, why.Drift = "configs and secrets of a container that is gone", true
			b.items = append(b.items, Item{Ref: Ref{Kind: KindVolume, Name: v.Name}, Verdict: Remove, Summary: "remove, left over", Impact: InPlace})
		}
		b.graph.add(Step{Action: RemoveVolume{Name: v.Name}, Needs: needs, Because: []Change{why}, Impact: InPlace})
	}
}

// HeldFiles are the volumes that only containers of these names have configs and secrets in.
func HeldFiles(have State, containers []string) []string {
	var out []string
	for i := range have.Volumes {
		v := &have.Volumes[i]
		if v.Labels[LabelFiles] == "" {
			continue
		}
		ours, others := 0, 0
		for _, c := range have.Containers {
			switch {
			case !slices.ContainsFunc(c.Mounts, v.holds):
			case slices.Contains(containers, c.Name):
				ours++
			default:
				others++
			}
		}
		if ours > 0 && others == 0 {
			out = append(out, v.Name)
		}
	}
	return out
}

// holds says whether something is mounted from a volume; older engines have the path of the volume for it.
func (v *Volume) holds(m Mount) bool {
	return m.Name == v.Name || strings.Contains(m.Source, "/"+v.Name+"/")
}

// removals are the steps that take containers away, by the names that those have now.
func (b *builder) removals() map[string]StepID {
	formerly := map[string]string{}
	for _, s := range b.graph.steps {
		if a, ok := s.Action.(RenameContainer); ok {
			formerly[a.To] = a.Name
		}
	}
	out := map[string]StepID{}
	for _, s := range b.graph.steps {
		a, ok := s.Action.(RemoveContainer)
		if !ok {
			continue
		}
		name := a.Name
		if was := formerly[name]; b.have.containers[name] == nil && was != "" {
			name = was
		}
		out[name] = s.ID
	}
	return out
}
