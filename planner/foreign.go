package planner

import "strings"

// A container that carries no record of its service was made by docker compose, by an older muster or by hand. Where docker
// compose's hash fits the file it is what the file says. Else somebody has to look at it: the engine writes down how it was
// made and how it would be made now, and what differs between these two is what the file changes.

// Doubt is a container whose labels leave open what Build has to know.
type Doubt struct {
	Name string
	// Meant is what would be made in its place; nil where the container's own record tells how it was made. Whoever looks
	// puts what comes of it into Container.Made and Container.Meant.
	Meant *CreateContainer
}

// foreign says whether a container has no record of its service.
func (c *Container) foreign() bool { return c.Labels[LabelSpec] == "" }

// hashFits says whether docker compose's hash tells that a container is what the file says.
func (b *builder) hashFits(s *service, c *Container) bool {
	have := c.Labels[LabelConfigHash]
	if have == "" {
		return false
	}
	for _, h := range b.hashes(s) {
		if h == have {
			return true
		}
	}
	return false
}

// foreignChanges judge a container that muster did not make.
func (b *builder) foreignChanges(s *service, c *Container) []Change {
	if b.hashFits(s, c) {
		return nil
	}
	if c.Made == nil {
		maker := "something else than muster"
		if v := c.Labels[LabelVersion]; v != "" && c.Labels[LabelConfigHash] != "" {
			maker = "docker compose " + v
		}
		return []Change{{Path: s.path("config-hash"), From: "made by " + maker + ", which left no other record", To: "this file"}}
	}
	changes, err := diffSpecs(s.path(""), string(c.Made), string(c.Meant), serviceRules{})
	if err != nil {
		return []Change{{Path: s.path("record"), From: "unreadable", To: "this file"}}
	}
	if ref := b.want.ImageName(s.spec); c.Image != "" && familiar(ref) != familiar(c.Image) && !strings.HasPrefix(c.Image, "sha256:") {
		changes = append(changes, Change{Path: s.path("image"), From: c.Image, To: ref})
		b.nameImages(s, c, changes)
	}
	return changes
}

// meant is what would be made in the place of a container.
func (b *builder) meant(s *service, c *Container) *CreateContainer {
	a := &CreateContainer{
		Name: c.Name, Number: c.number(), Spec: b.joinedByID(s.spec), Image: b.want.ImageName(s.spec), Files: b.files(s.spec),
		Labels: map[string]string{LabelWorkingDir: b.want.WorkingDir},
	}
	b.nameResources(a)
	return a
}
