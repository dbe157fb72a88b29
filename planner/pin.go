package planner

import "maps"

// Pin is the content that a reference to an image stood for once.
type Pin struct {
	ID string // on the engine
	// Digest is NAME@sha256:…, by which it can be pulled; empty where it was built.
	Digest string
}

// PinImages is a state in which references stand for what they stood for once, so that a plan goes back to that content
// although a tag has moved on. What is not on the engine any more, and can be pulled, is missing in it; the references
// of what cannot be had at all come back as lost, sorted.
func PinImages(have State, pins map[string]Pin) (pinned State, lost []string) {
	pinned = have
	pinned.Images = nil
	there := map[string]bool{}
	for _, i := range have.Images {
		there[i.ID] = true
		var tags []string
		for _, tag := range i.Tags {
			if pin, ok := pinOf(pins, tag); !ok || pin.ID == i.ID {
				tags = append(tags, tag)
			}
		}
		for _, ref := range keys(pins) {
			if pins[ref].ID == i.ID {
				tags = append(tags, ref)
			}
		}
		i.Tags = distinct(tags)
		pinned.Images = append(pinned.Images, i)
	}
	for _, ref := range keys(pins) {
		if !there[pins[ref].ID] && pins[ref].Digest == "" {
			lost = append(lost, ref)
		}
	}
	return pinned, lost
}

func pinOf(pins map[string]Pin, ref string) (Pin, bool) {
	for name, pin := range pins {
		if familiar(name) == familiar(ref) {
			return pin, true
		}
	}
	return Pin{}, false
}

// Pinned is a plan whose containers are created from the content of the pins, also where the tags stand for something
// else on the engine: have is the state as it is.
func (p Plan) Pinned(pins map[string]Pin, have State) Plan {
	tagged, there := map[string]string{}, map[string]bool{}
	for _, i := range have.Images {
		there[i.ID] = true
		for _, tag := range i.Tags {
			tagged[familiar(tag)] = i.ID
		}
	}
	from := func(ref string) string {
		pin, ok := pinOf(pins, ref)
		switch {
		case !ok || tagged[familiar(ref)] == pin.ID:
			return ref
		case there[pin.ID]:
			return pin.ID
		}
		return pin.Digest
	}
	renamed := map[StepID]StepID{}
	steps := make([]Step, len(p.Steps))
	for i, s := range p.Steps {
		switch a := s.Action.(type) {
		case CreateContainer:
			a.Image = from(a.Image)
			s.Action = a
		case ApplyService:
			if pin, ok := pinOf(pins, a.Image); ok && pin.Digest != "" {
				a.Image, a.Digest = pin.Digest, ""
			}
			s.Action = a
		case PullImage:
			a.Ref = from(a.Ref)
			s.Action = a
			renamed[s.ID] = idOf(a)
			s.ID = idOf(a)
		}
		steps[i] = s
	}
	for i, s := range steps {
		needs := make([]StepID, 0, len(s.Needs))
		for _, n := range s.Needs {
			if to, ok := renamed[n]; ok {
				n = to
			}
			needs = append(needs, n)
		}
		if len(needs) > 0 {
			steps[i].Needs = needs
		}
	}
	p.Steps = steps
	return p
}

// Stamp says on a container which change has made it.
type Stamp struct {
	Revision string
	At       string // RFC 3339
	By       string // user@host
}

// Stamped is a plan whose new containers say so.
func (p Plan) Stamped(s Stamp) Plan {
	steps := make([]Step, len(p.Steps))
	for i, step := range p.Steps {
		switch a := step.Action.(type) {
		case CreateContainer:
			a.Labels = s.on(a.Labels)
			step.Action = a
		case ApplyService:
			a.Labels = s.on(a.Labels)
			step.Action = a
		}
		steps[i] = step
	}
	p.Steps = steps
	return p
}

// on is a set of labels with those of the stamp.
func (s Stamp) on(labels map[string]string) map[string]string {
	out := make(map[string]string, len(labels)+3)
	maps.Copy(out, labels)
	out[LabelRevision], out[LabelAt], out[LabelBy] = s.Revision, s.At, s.By
	return out
}

// FindImage is the image that a reference stands for; nil where it is not there.
func FindImage(have State, ref string) *Image {
	for i := range have.Images {
		image := &have.Images[i]
		if image.ID == ref {
			return image
		}
		for _, names := range [][]string{image.Tags, image.Digests} {
			for _, name := range names {
				if familiar(name) == familiar(ref) {
					return image
				}
			}
		}
	}
	return nil
}
