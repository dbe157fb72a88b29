package planner

import (
	"maps"
	"runtime"

	"github.com/musterhq/muster/project"
)

// write puts services into writing, on all processors: it is most of what a plan takes, and none depends on another.
func (b *builder) write(services []*service) {
	const each = 64 // for how many another processor is worth its while
	writers := max(1, min(runtime.GOMAXPROCS(0), len(services)/each))
	part := func(n int) []*service { return services[n*len(services)/writers : (n+1)*len(services)/writers] }
	others := make(chan *specCodec)
	for n := 1; n < writers; n++ {
		go func() {
			var codec specCodec
			b.writeWith(&codec, part(n))
			others <- &codec
		}()
	}
	b.writeWith(&b.codec, part(0))
	for range writers - 1 {
		b.codec.learn(<-others)
	}
}

// writeWith changes nothing but the services and the codec, of which nobody else has any.
func (b *builder) writeWith(codec *specCodec, services []*service) {
	for _, s := range services {
		s.unwritable = b.writeOne(codec, s)
	}
}

// writeOne makes the canonical JSON of a service and, where a container is likely to be made, what comes from the same text for its labels.
func (b *builder) writeOne(codec *specCodec, s *service) error {
	w, err := project.Write(asWritten(s.spec))
	if err != nil {
		return err
	}
	if b.have.converges {
		s.json, err = w.DeploySpec()
		return err
	}
	if s.json, err = w.Spec(); err != nil {
		return err
	}
	for _, c := range b.have.services[s.name] {
		label := c.Labels[LabelSpec]
		if c.foreign() || codec.says(label, s.json) {
			return nil // it is likely to stay
		}
		s.compare(codec, label)
	}
	s.label(codec)
	if len(s.spec.PreStart) == 0 && len(s.spec.VolumesFrom) == 0 && len(joined(s.spec)) == 0 { // else what is hashed is not what is written
		s.hash, _ = w.Hash() // without one a container has no label for it
	}
	return nil
}

// learn takes over what another codec has unpacked.
func (c *specCodec) learn(from *specCodec) {
	if c.known == nil {
		c.known = from.known
		return
	}
	maps.Copy(c.known, from.known)
}

// compared is what a record says beside a spec.
type compared struct {
	label   string
	changes []Change
	read    bool     // the record can be
	fields  []string // of the first level, that are another text
}

// compare compares the spec with what the label of a container has recorded. Nobody may change the answer.
func (s *service) compare(codec *specCodec, label string) compared {
	for _, known := range s.compared {
		if known.label == label {
			return known
		}
	}
	now := codec.compare(label, s.json, differ{rules: serviceRules{}, prefix: s.path("")})
	s.compared = append(s.compared, now)
	return now
}

func (c *specCodec) compare(label, spec string, d differ) compared {
	if recorded, err := c.decode(label); err == nil {
		if changes, err := d.specs(recorded, spec); err == nil {
			return compared{label: label, changes: changes, read: true, fields: d.fields}
		}
	}
	return compared{label: label, changes: []Change{{Path: d.prefix + "record", From: "unreadable", To: "this file"}}}
}
