package main

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/musterhq/muster/planner"
)

// bakeFile is what buildx bake reads, with the keys in docker compose's order.
type bakeFile struct {
	Group  map[string]bakeGroup  `json:"group"`
	Target map[string]bakeTarget `json:"target"`
}

type bakeGroup struct {
	Targets []string `json:"targets"`
}

type bakeTarget struct {
	Context          string            `json:"context,omitempty"`
	Contexts         map[string]string `json:"contexts,omitempty"`
	Dockerfile       string            `json:"dockerfile,omitempty"`
	DockerfileInline string            `json:"dockerfile-inline,omitempty"`
	Args             map[string]string `json:"args,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Tags             []string          `json:"tags,omitempty"`
	CacheFrom        []string          `json:"cache-from,omitempty"`
	CacheTo          []string          `json:"cache-to,omitempty"`
	Target           string            `json:"target,omitempty"`
	Secrets          []string          `json:"secret,omitempty"`
	SSH              []string          `json:"ssh,omitempty"`
	Platforms        []string          `json:"platforms,omitempty"`
	Pull             bool              `json:"pull,omitempty"`
	NoCache          bool              `json:"no-cache,omitempty"`
	NoCacheFilter    []string          `json:"no-cache-filter,omitempty"`
	NetworkMode      string            `json:"network,omitempty"`
	ShmSize          int64             `json:"shm-size,omitempty"`
	Entitlements     []string          `json:"entitlements,omitempty"`
	Outputs          []string          `json:"output,omitempty"`
}

// printBake prints a plan's builds for buildx bake. What a secret is stays where it is: only its file is named.
func (p *program) printBake(plan planner.Plan, o buildOptions) error {
	out := bakeFile{Group: map[string]bakeGroup{}, Target: map[string]bakeTarget{}}
	for _, step := range plan.Steps {
		if a, ok := step.Action.(planner.BuildImage); ok {
			out.Target[a.Service] = newBakeTarget(a, o)
		}
	}
	out.Group["default"] = bakeGroup{Targets: slices.Sorted(maps.Keys(out.Target))}
	return encodeIndented(p.out, out)
}

func newBakeTarget(a planner.BuildImage, o buildOptions) bakeTarget {
	b := a.Spec.Build
	labels := maps.Clone(map[string]string(b.Labels))
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, a.Labels)
	t := bakeTarget{
		Context: b.Context, Contexts: b.AdditionalContexts, DockerfileInline: b.DockerfileInline, Labels: labels, Target: b.Target,
		CacheFrom: b.CacheFrom, CacheTo: b.CacheTo, Platforms: b.Platforms, Pull: b.Pull, NoCache: b.NoCache, NoCacheFilter: b.NoCacheFilter,
		NetworkMode: b.Network, ShmSize: int64(b.ShmSize), Entitlements: b.Entitlements, Tags: append(slices.Clone([]string(b.Tags)), a.Ref),
		Outputs: []string{"type=docker"},
	}
	if o.push {
		t.Outputs = []string{"type=registry"}
	}
	if b.DockerfileInline == "" {
		t.Dockerfile = b.Dockerfile
		if t.Dockerfile != "" && !filepath.IsAbs(t.Dockerfile) && filepath.IsAbs(b.Context) {
			t.Dockerfile = filepath.Join(b.Context, t.Dockerfile)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.Args)) {
		if v := b.Args[key]; v != nil {
			if t.Args == nil {
				t.Args = map[string]string{}
			}
			t.Args[key] = *v
		}
	}
	for _, s := range b.SSH {
		t.SSH = append(t.SSH, s.ID)
	}
	for _, s := range a.Secrets {
		if s.Source != "" {
			t.Secrets = append(t.Secrets, "id="+s.Target+",type=file,src="+s.Source)
		}
	}
	return t
}
