package planner

import "github.com/musterhq/muster/project"

// An engine can change limits and networks of a container while it runs, but not the labels that say how it is set. After that
// the record cannot be trusted, not even where it fits the file: the file may have gone back to it. Inspecting
// every container at every up would tell, at a price that grows with the project. So a volume without content is made
// before the first such change; it comes with the list of volumes, and only where it is there does anybody look closer.

// adjustedName is the name of that volume.
func adjustedName(project string) string { return project + "_muster.adjusted" }

// NoteAdjusted makes it. Removing it takes the note back.
func NoteAdjusted(of string) CreateVolume {
	name := adjustedName(of)
	return CreateVolume{Name: name, Spec: project.Volume{Name: name}, Labels: map[string]string{LabelProject: of, LabelAdjusted: "true"}}
}

// asRecorded says whether settings are those of the container's own record, and its places in networks, once they
// are as the file says.
func (b *builder) asRecorded(c *Container, now Settings) bool {
	s := b.services[c.Service]
	recorded := b.recordedTree(s, c)
	if recorded == nil || s != nil && b.hiddenPlaces(s, c) {
		return false
	}
	was := settingsOf(recorded)
	for _, x := range b.settings {
		r, h := x.value(was), x.value(now)
		if !x.fits(r, h) && !(h == "" && x.picky) {
			return false
		}
	}
	return true
}

// rememberAdjusted makes the volume, unless there is one.
func (b *builder) rememberAdjusted() StepID {
	if b.have.adjusted != nil || b.adjusted != "" {
		return b.adjusted
	}
	note := NoteAdjusted(b.want.Name)
	name := note.Name
	b.adjusted = b.graph.add(Step{
		Action:  note,
		Because: []Change{{Path: "volumes." + name, To: "containers are not as their labels say"}},
	})
	b.items = append(b.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Create,
		Summary: "remembers that containers are not as their labels say"})
	return b.adjusted
}

// rememberPlaces makes it where a container's names in a network are about to be others than its record says.
func (b *builder) rememberPlaces(s *service, c *Container) StepID {
	if !b.hiddenPlaces(s, c) {
		return ""
	}
	return b.rememberAdjusted()
}

// forgetAdjusted removes the volume once every container is set as its label says, after all else is done.
func (b *builder) forgetAdjusted() {
	if b.have.adjusted == nil || len(b.how.Services) > 0 || !b.allAsRecorded() {
		return
	}
	needs := make([]StepID, 0, len(b.graph.steps))
	for _, s := range b.graph.steps {
		needs = append(needs, s.ID)
	}
	b.dropAdjusted(needs, "all containers are as their labels say")
}

// allAsRecorded says so of the containers that stay, as they are when the plan is done.
func (b *builder) allAsRecorded() bool {
	gone, updated := map[string]bool{}, map[string]Settings{}
	for _, s := range b.graph.steps {
		switch a := s.Action.(type) {
		case RemoveContainer:
			gone[a.Name] = true
		case UpdateContainer:
			updated[a.Name] = a.Settings
		}
	}
	for _, list := range b.have.services {
		for _, c := range list {
			if gone[c.Name] || c.foreign() && b.services[c.Service] == nil {
				continue
			}
			settings, known := updated[c.Name]
			if !known && c.Settings != nil {
				settings, known = *c.Settings, true
			}
			if !known || !b.asRecorded(c, settings) {
				return false
			}
		}
	}
	return true
}

// removeAdjusted removes the volume with the last of the containers.
func (t *teardown) removeAdjusted() {
	if t.have.adjusted == nil {
		return
	}
	var needs []StepID
	for _, name := range keys(t.removed) {
		needs = append(needs, t.removed[name])
	}
	t.dropAdjusted(needs, "no container is left")
}

func (b *builder) dropAdjusted(needs []StepID, why string) {
	name := b.have.adjusted.Name
	b.graph.add(Step{Action: RemoveVolume{Name: name}, Needs: needs, Impact: InPlace,
		Because: []Change{{Path: "volumes." + name, To: why}}})
	b.items = append(b.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Remove, Summary: "remove, since " + why, Impact: InPlace})
}
