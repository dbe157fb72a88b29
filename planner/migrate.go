package planner

import (
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// An engine can neither change a volume nor give it another name. So a volume whose definition has changed is carried over
// in five moves, and only where that was asked for:
//
//  1. stop the containers that have it, and copy it to a volume with a dated name
//  2. remove those containers, since a volume that has any cannot be removed
//  3. remove the volume, and make it as the file says
//  4. copy the data back
//  5. make the containers
//
// The dated copy stays. Until the data is back a second volume, without content, says what is going on: an interruption
// anywhere leaves either the old volume untouched, or a whole copy and a new volume with [LabelFilled], which is not to be
// believed yet. The next plan carries on from there. While the old volume is whole, a failure is taken back.
//
// A volume that gets what a snapshot has goes the same way, but that the copy is filled from the snapshot, before anything is stopped, and
// goes in the end. So what cannot be unpacked, or does not fit, is known while the old volume is still there.
//
// Where its definition stays and the engine can exchange data in one step, there is less to it: what has the volume is stopped, the volume and the copy
// exchange their data, what was stopped is started, and the copy goes with what the volume had. Where that is not much, the copy is filled while
// the containers are stopped, and no longer before. Until the exchange a failure is taken back; an
// interruption leaves the volume whole, with the one or the other, and the copy, which the next plan removes. So it takes no mark.

// migration is one volume on its way to another definition.
type migration struct {
	unmarked        StepID // the removal of its mark
	key, name, kept string
	volume          project.Volume
	why             []Change
	users           []*Container
	// anew: what is there of the new volume is not as the file says any more.
	anew bool
	// filling: the old volume is gone, or its successor is there and has not all of the data yet.
	filling bool
	// restore is what it gets in the place of what it has; nil where that is carried over.
	restore *Restore
	// exchange: the volume and the containers that have it stay, and it changes its data with the copy.
	exchange bool
	// cleared is the step that removes the copy, with exchange.
	cleared StepID
}

// restoring is in the name of the copy of a snapshot's data that a volume is filled from.
const restoring = ".restored-"

// migratingName is the volume that says that another one is being carried over.
func migratingName(volume string) string { return volume + ".muster-migrating" }

// dated completes a volume's name with the time, to the second. A name that an earlier plan took is not taken again: what has it is a
// whole copy that somebody may want, or one that was begun and goes in this plan.
func (b *builder) dated(prefix string) string {
	for at := b.how.Now.UTC(); ; at = at.Add(time.Second) {
		if name := prefix + at.Format("20060102-150405"); b.have.volumes[name] == nil {
			return name
		}
	}
}

// findMigrations looks for volumes to carry over, before anything is decided about containers.
func (b *builder) findMigrations() {
	begun := b.fillings()
	for _, key := range b.ownVolumes {
		v := b.want.Volumes[key]
		name := volumeName(b.want, key, v)
		have, mark := b.have.volumes[name], b.have.volumes[migratingName(name)]
		m := &migration{key: key, name: name, volume: v}
		m.volume.Name = name
		b.forgetFillings(begun[name], mark)
		restore, asked := b.how.Restore[key]
		switch {
		case mark != nil && asked && (have == nil || have.Labels[LabelFilled] == mark.Labels[LabelKept]):
			b.fail(Ref{Kind: KindVolume, Name: name}, "`muster up` carries that on; restore the snapshot after that",
				"volume %s was being filled from %s, which was interrupted", name, mark.Labels[LabelKept])
			continue
		case asked && have != nil && have.Labels[LabelProject] != b.want.Name:
			b.fail(Ref{Kind: KindVolume, Name: name}, "only volumes that this project has made are filled from snapshots",
				"volume %s is not of project %s", name, b.want.Name)
			continue
		case asked:
			m.restore, m.kept = &restore, b.dated(name+restoring)
			m.why = []Change{{Path: "volumes." + key + ".data", To: "of snapshot " + restore.Snapshot}}
			if have != nil {
				m.why[0].From = "its own"
				m.exchange = restore.Exchange && len(b.grave(b.volumeChanges(key, v, have))) == 0
			}
			if m.exchange {
				b.forgetCopy(mark)
			}
		case mark != nil && (have == nil || have.Labels[LabelFilled] == mark.Labels[LabelKept]):
			m.filling, m.kept = true, mark.Labels[LabelKept]
			m.why = []Change{{Path: "volumes." + key, From: "interrupted while its data was carried over", To: "from " + m.kept, Drift: true}}
			m.anew = have != nil && len(b.grave(b.volumeChanges(key, v, have))) > 0
			if b.have.volumes[m.kept] == nil {
				b.fail(Ref{Kind: KindVolume, Name: name}, "if its data is not needed, remove what is left with `docker volume rm "+mark.Name+"`",
					"volume %s was being carried over, and the copy %s of its data is gone", name, m.kept)
				continue
			}
		case have == nil || have.Labels[LabelProject] != b.want.Name:
			continue
		default:
			if m.why = b.grave(b.volumeChanges(key, v, have)); len(m.why) == 0 {
				b.forgetCopy(mark)
				continue
			}
			m.kept = b.dated(name + ".")
		}
		if !m.filling && m.restore == nil && !b.how.MigrateVolumes {
			b.fail(Ref{Kind: KindVolume, Name: name},
				"put its definition back, or say --migrate-volumes: its data is copied to the new volume, and the old one is kept",
				"volume %s differs from the file in %s, and making it anew would lose its data", name, listed(m.why, "volumes."+key+"."))
			continue
		}
		b.findUsers(m)
		b.migrations[name] = m
	}
}

// forgetCopy removes what is left of a copy that nobody wants any more: the volume itself is whole, and is as the file says.
func (b *builder) forgetCopy(mark *Volume) {
	if mark == nil {
		return
	}
	why := []Change{{Path: "volumes." + mark.Name, From: "the definition is what it was", Drift: true}}
	var needs []StepID
	if kept := b.have.volumes[mark.Labels[LabelKept]]; kept != nil {
		needs = append(needs, b.graph.add(Step{Action: RemoveVolume{Name: kept.Name}, Because: why, Impact: InPlace}))
	}
	b.graph.add(Step{Action: RemoveVolume{Name: mark.Name}, Needs: needs, Because: why, Impact: InPlace})
	b.items = append(b.items, Item{Ref: Ref{Kind: KindVolume, Name: mark.Name}, Verdict: Remove, Summary: "remove with the copy that was begun", Impact: InPlace})
}

// fillings are the volumes that were begun to be filled from snapshots, sorted, by the volume that they are for.
func (b *builder) fillings() map[string][]string {
	out := map[string][]string{}
	for name, v := range b.have.volumes {
		if of := v.fillingFor(); of != "" {
			out[of] = append(out[of], name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// fillingFor is the volume that this one was begun to be filled for from a snapshot; empty for all others.
func (v *Volume) fillingFor() string {
	if of := v.Labels[LabelKeptFrom]; strings.HasPrefix(v.Name, of+restoring) {
		return of
	}
	return ""
}

// forgetFillings removes what was begun to be filled for a volume and has no mark yet, which is: the volume was not touched.
func (b *builder) forgetFillings(begun []string, mark *Volume) {
	for _, name := range begun {
		if mark != nil && mark.Labels[LabelKept] == name {
			continue
		}
		why := []Change{{Path: "volumes." + name, From: "left by a restore that was interrupted", Drift: true}}
		b.graph.add(Step{Action: RemoveVolume{Name: name}, Because: why, Impact: InPlace})
		b.items = append(b.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Remove, Summary: "remove, left by a restore that was interrupted", Impact: InPlace})
	}
}

// grave leaves out what makes a volume no other place for the data: labels, and what a foreign hash does not tell.
func (b *builder) grave(changes []Change) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool {
		field := fieldOf(c.Path)
		return field == "config-hash" || field == "record" || strings.HasPrefix(field, "labels.")
	})
}

// findUsers finds the containers that have a volume. Each has to be made anew, or the volume cannot be; where it stays, those that run have to be started
// again.
func (b *builder) findUsers(m *migration) {
	for _, name := range keys(b.have.containers) {
		c := b.have.containers[name]
		if !slices.ContainsFunc(c.Mounts, func(mount Mount) bool { return mount.Type == "volume" && mount.Name == m.name }) {
			continue
		}
		m.users = append(m.users, c)
		if m.exchange && !c.up() {
			continue
		}
		_, chosen := b.services[c.Service]
		if orphan := !b.knows(c.Service) && b.how.RemoveOrphans; c.OneOff || !chosen && !orphan {
			b.fail(Ref{Kind: KindVolume, Name: m.name}, "name its service too, or remove it with `docker rm -f "+c.Name+"`",
				"volume %s cannot be carried over: %s has it, and is not made anew by this plan", m.name, c.Name)
		}
	}
}

// carriedOver is why the containers of a slot have to go for volumes that are carried over; nil where they have none.
func (b *builder) carriedOver(s *service, sl *slot) []Change {
	var out []Change
	for _, name := range keys(b.migrations) {
		m := b.migrations[name]
		if m.exchange {
			continue
		}
		uses := slices.ContainsFunc(s.spec.Volumes, func(v project.ServiceVolume) bool { return v.Type == "volume" && v.Source == m.key })
		uses = uses || slices.Contains(m.users, sl.old) || sl.next != nil && slices.Contains(m.users, sl.next)
		if uses {
			out = append(out, Change{Path: s.path("volumes." + m.key), From: m.name, To: m.name + " (made anew)"})
		}
	}
	return out
}

// forMigration makes a slot's containers go before their successor is made.
func (b *builder) forMigration(s *service, sl *slot) *replica {
	if sl.old == nil {
		return nil
	}
	why := b.carriedOver(s, sl)
	if why == nil {
		return nil
	}
	r := &replica{name: b.want.ContainerName(s.spec, sl.number), number: sl.number, verb: create, because: why, migrated: sl.standing()}
	for _, c := range append([]*Container{sl.old, sl.next}, sl.litter...) {
		if c != nil {
			r.litter = append(r.litter, c)
		}
	}
	return r
}

// unmark lets the mark of a migration go when the container has been made that gets the anonymous volumes of which it tells, and
// answers with that: nothing may write the volume as long as a next run would fill it again.
func (b *builder) unmark(s *service, made StepID) []StepID {
	var out []StepID
	for _, v := range s.spec.Volumes {
		m := b.migrations[b.volume(v.Source)]
		if v.Type != "volume" || v.Source == "" || m == nil || m.unmarked == "" {
			continue
		}
		need(b.graph.byID[m.unmarked], made)
		out = append(out, m.unmarked)
	}
	return out
}

// migrate writes the steps of the first four moves; the fifth is that of the services.
func (b *builder) migrate(m *migration) {
	mark := migratingName(m.name)
	kept := b.keepData(m, mark)
	for _, c := range m.users {
		b.before[c.Name] = append(b.before[c.Name], kept...)
	}
	gone := kept
	have := b.have.volumes[m.name]
	if have != nil && (!m.filling || m.anew) {
		needs := kept
		for _, c := range m.users {
			needs = append(needs, idOf(RemoveContainer{Name: c.Name}))
		}
		lost := Replace
		if m.restore != nil {
			lost = DataLoss
		}
		gone = []StepID{b.graph.add(Step{Action: RemoveVolume{Name: m.name}, Needs: needs, Because: m.why, Impact: lost})}
	}
	if have == nil || !m.filling || m.anew {
		labels := b.volumeLabels(m.key, m.volume)
		labels[LabelFilled] = m.kept
		gone = []StepID{b.graph.add(Step{Action: CreateVolume{Name: m.name, Spec: m.volume, Labels: labels}, Needs: gone, Because: m.why, Impact: Replace})}
	}
	restored := strings.HasPrefix(m.kept, m.name+restoring)
	var fill Action = CopyVolume{From: m.kept, To: m.name, Image: b.copyImage(m)}
	if restored {
		// Nobody needs the copy afterwards, so that an engine may hand it over as it is.
		fill = MoveVolume{From: m.kept, To: m.name, Image: b.copyImage(m)}
	}
	filled := b.graph.add(Step{Action: fill, Needs: append(gone, b.copyImageStep(m)), Because: m.why, Impact: Replace})
	b.volumeSteps[m.name] = filled
	m.unmarked = b.graph.add(Step{Action: RemoveVolume{Name: mark}, Needs: []StepID{filled}, Because: m.why, Impact: InPlace})
	if restored {
		b.graph.add(Step{Action: RemoveVolume{Name: m.kept}, Needs: []StepID{m.unmarked}, Because: m.why, Impact: InPlace})
	}
	b.items = append(b.items, m.item(have != nil))
}

// item is what is said of it in short.
func (m *migration) item(there bool) Item {
	item := Item{Ref: Ref{Kind: KindVolume, Name: m.name}, Verdict: Modify, Impact: Replace, Changes: m.why}
	switch {
	case m.filling:
		item.Verdict, item.Changes = Mend, nil
		item.Summary = "drift: interrupted while its data was carried over → carry on from " + m.kept
	case m.restore != nil && there:
		item.Impact, item.Summary = DataLoss, "filled from snapshot "+m.restore.Snapshot+", what it has is lost"
		item.Changes = nil
	case m.restore != nil:
		item.Verdict, item.Impact, item.Summary = Create, NoImpact, "filled from snapshot "+m.restore.Snapshot
		item.Changes = nil
	default:
		item.Summary = "made anew, with its data; the old one is kept as " + m.kept
	}
	return item
}

// keepData writes the first move, and answers with its last steps. Where it was done before, the containers that somebody
// may have made since are stopped all the same.
func (b *builder) keepData(m *migration, mark string) []StepID {
	switch {
	case m.filling:
		return b.stopUsers(m, "", nil)
	case m.restore != nil:
		group := "restore " + m.name
		// Only what is filled gets the mark: where there is no volume yet, that would be carried on from.
		kept := b.createCopy(m, group)
		filled := b.graph.add(Step{Action: b.fill(m, m.kept), Needs: []StepID{kept, b.copyImageStep(m)}, Because: m.why, Group: group})
		return append(b.stopUsers(m, group, []StepID{filled}), b.mark(m, mark, group, filled))
	}
	group := "carry over " + m.name
	stopped := b.stopUsers(m, group, nil)
	kept := b.createCopy(m, group, b.mark(m, mark, group))
	return []StepID{b.graph.add(Step{
		Action: CopyVolume{From: m.name, To: m.kept, Image: b.copyImage(m)},
		Needs:  append(stopped, kept, b.copyImageStep(m)), Because: m.why, Group: group,
	})}
}

// fill gives a volume what the snapshot has.
func (b *builder) fill(m *migration, volume string) FillVolume {
	return FillVolume{Name: volume, Snapshot: m.restore.Snapshot, File: m.restore.File, Sum: m.restore.Sum, Image: b.copyImage(m)}
}

// stopUsers stops the containers that have the volume, and answers with the steps.
func (b *builder) stopUsers(m *migration, group string, first []StepID) []StepID {
	var stopped []StepID
	by := map[string][]StepID{} // by service
	for i := len(b.order) - 1; i >= -1; i-- {
		for _, c := range m.users {
			// Dependents stop first; what is of no service of the plan stops last.
			if i >= 0 && b.order[i] != c.Service || !c.up() {
				continue
			}
			if id := b.halted[c.Name]; id != "" {
				if !slices.Contains(stopped, id) { // it has another volume that changes, too
					stopped = append(stopped, id)
				}
				continue
			}
			needs := append(slices.Clone(first), b.after(c.Name)...)
			if s := b.services[c.Service]; s != nil {
				for _, d := range s.dependents {
					needs = append(needs, by[d.of.name]...)
				}
			}
			var undo []Action
			if !m.filling {
				undo = b.startAgain(c, c.Name)
			}
			id := b.stop(c, c.Name, needs, m.why, group, undo)
			by[c.Service] = append(by[c.Service], id)
			stopped, b.halted[c.Name] = append(stopped, id), id
		}
	}
	return stopped
}

// mark makes the volume that says what is going on, in the place of one that is left from before.
func (b *builder) mark(m *migration, mark, group string, after ...StepID) StepID {
	var cleared []StepID
	if old := b.have.volumes[mark]; old != nil {
		// A copy of what is still there was begun before.
		if kept := old.Labels[LabelKept]; b.have.volumes[kept] != nil {
			cleared = append(cleared, b.graph.add(Step{Action: RemoveVolume{Name: kept}, Because: m.why, Impact: InPlace}))
		}
		cleared = []StepID{b.graph.add(Step{Action: RemoveVolume{Name: mark}, Needs: cleared, Because: m.why, Impact: InPlace})}
	}
	owned := map[string]string{LabelProject: b.want.Name, LabelKept: m.kept}
	if old := b.have.volumes[mark]; old != nil {
		owned[LabelAnonymous] = old.Labels[LabelAnonymous] // of containers that are gone already
	}
	if label := strings.Trim(writeAnonymous(m.users)+"\n"+owned[LabelAnonymous], "\n"); label != "" {
		owned[LabelAnonymous] = label
	} else {
		delete(owned, LabelAnonymous)
	}
	return b.graph.add(Step{
		Action: CreateVolume{Name: mark, Spec: project.Volume{Name: mark}, Labels: owned},
		Needs:  append(cleared, after...), Because: m.why, Group: group, Undo: []Action{RemoveVolume{Name: mark}},
	})
}

// createCopy makes the volume for the copy.
func (b *builder) createCopy(m *migration, group string, after ...StepID) StepID {
	return b.graph.add(Step{
		Action: CreateVolume{Name: m.kept, Spec: project.Volume{Name: m.kept}, Labels: map[string]string{LabelProject: b.want.Name, LabelKeptFrom: m.name}},
		Needs:  after, Because: m.why, Group: group, Undo: []Action{RemoveVolume{Name: m.kept}},
	})
}

// copyImage is an image to make the containers of that the engine copies through; any will do.
func (b *builder) copyImage(m *migration) string {
	for _, name := range b.order {
		s := b.services[name]
		for _, v := range s.spec.Volumes {
			if v.Type == "volume" && v.Source == m.key {
				return b.want.ImageName(s.spec)
			}
		}
	}
	return ""
}

func (b *builder) copyImageStep(m *migration) StepID { return b.imageSteps[b.copyImage(m)] }
