package planner

import (
	"slices"
	"strings"
)

// exchanges are those volumes of a container that exchange their data, by name. The container stays as it is: its old one would not serve any more while
// its successor is made.
func (b *builder) exchanges(c *Container) []*migration {
	var out []*migration
	for _, name := range keys(b.migrations) {
		if m := b.migrations[name]; m.exchange && slices.Contains(m.users, c) {
			out = append(out, m)
		}
	}
	return out
}

// startAgainFor lets a container start again that is stopped while a volume of it exchanges its data.
func (b *builder) startAgainFor(s *service, r *replica) {
	if b.how.NoStart || r.verb != keep || !r.old.up() {
		return
	}
	var words []string
	for _, m := range b.exchanges(r.old) {
		r.because = append(r.because, Change{Path: s.path("volumes." + m.key), From: m.why[0].From, To: m.why[0].To})
		words = append(words, "volume "+m.name+" is filled")
	}
	if len(words) > 0 {
		r.verb, r.why = start, "restart, since "+strings.Join(words, " and ")
	}
}

// unpackedBeside bounds the bytes that are unpacked while what has the volumes is stopped already. So much takes two or three seconds, of which a stop takes
// a good part, and the restore is over the earlier. Of more, little would be won, and the services would be away for all of that.
const unpackedBeside = 1 << 30

// stopsEarly says whether containers may be stopped while their volumes' data is unpacked. Where that fails they are started again, which takes back
// no hook of one that was not stopped yet.
func (b *builder) stopsEarly(all []*migration, users []*Container) bool {
	var sum int64
	for _, m := range all {
		if m.restore.Size <= 0 {
			return false // not known
		}
		sum += m.restore.Size
	}
	return sum <= unpackedBeside && !slices.ContainsFunc(users, func(c *Container) bool { return c.up() && len(b.preStop(c)) > 0 })
}

// exchange writes the steps for the volumes that stay; those that start their containers are the services'. All copies are there before
// anything is stopped, and filled where there is much in them. All that has a volume is stopped before any is exchanged: a service may have several of them.
func (b *builder) exchange() {
	const group = "restore"
	var all []*migration
	var copies, filled []StepID
	together := &migration{}
	for _, name := range keys(b.migrations) {
		m := b.migrations[name]
		if !m.exchange {
			continue
		}
		all = append(all, m)
		together.why = append(together.why, m.why...)
		for _, c := range m.users {
			if !slices.Contains(together.users, c) {
				together.users = append(together.users, c)
			}
		}
		fill := b.fill(m, m.kept)
		fill.ForExchange = true
		there := b.createCopy(m, group)
		begin := b.graph.add(Step{
			Action: BeginFill{Name: fill.Name, Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum},
			Needs:  []StepID{there, b.copyImageStep(m)}, Because: m.why, Group: group,
		})
		copies = append(copies, there)
		filled = append(filled, b.graph.add(Step{Action: fill, Needs: []StepID{begin}, Because: m.why, Group: group}))
	}
	first := filled
	if b.stopsEarly(all, together.users) {
		first = copies
	}
	stopped := b.stopUsers(together, group, first)
	for _, m := range all {
		exchanged := b.graph.add(Step{
			Action: ExchangeVolume{Name: m.name, From: m.kept}, Needs: slices.Concat(filled, stopped), Because: m.why, Group: group, Impact: DataLoss,
		})
		for _, c := range m.users {
			b.before[c.Name] = append(b.before[c.Name], exchanged)
		}
		b.volumeSteps[m.name] = exchanged
		m.cleared = b.graph.add(Step{Action: RemoveVolume{Name: m.kept}, Needs: []StepID{exchanged}, Because: m.why, Impact: InPlace})
		b.items = append(b.items, m.item(true))
	}
}
