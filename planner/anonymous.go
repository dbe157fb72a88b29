package planner

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// Nameless says whether a volume has the name that an engine gives to one of nobody's: 64 hexadecimal digits.
func Nameless(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// anonymousMounts are those of volumes whose names the engine has made up.
func anonymousMounts(c *Container) []Mount {
	return slices.DeleteFunc(slices.Clone(c.Mounts), func(m Mount) bool { return m.Type != "volume" || !Nameless(m.Name) })
}

// NewRemoveContainer is the removal of a container; with volumes its anonymous ones go too.
func NewRemoveContainer(c Container, volumes bool) RemoveContainer {
	var codec specCodec
	return codec.removeContainer(&c, volumes)
}

func (c *specCodec) removeContainer(of *Container, volumes bool) RemoveContainer {
	a := RemoveContainer{Name: of.Name, Service: of.Service, Volumes: volumes}
	if volumes {
		a.Inherited = c.inherited(of)
	}
	return a
}

// inherited are the anonymous volumes of a container that it may have got from its predecessor: those at places for which the service that it was made from names
// no volume. Of a container that muster did not make, nothing says that.
func (c *specCodec) inherited(of *Container) []string {
	mounts := anonymousMounts(of)
	if len(mounts) == 0 || of.foreign() {
		return nil
	}
	var spec struct {
		Volumes []struct{ Source, Target string }
	}
	text, err := c.decode(of.Labels[LabelSpec])
	if err != nil || json.Unmarshal([]byte(text), &spec) != nil {
		return nil
	}
	named := map[string]bool{}
	for _, v := range spec.Volumes {
		named[v.Target] = v.Source != ""
	}
	var names []string
	for _, m := range mounts {
		if !named[m.Target] {
			names = append(names, m.Name)
		}
	}
	return names
}

// keepAnonymous gives a container the anonymous volumes of the one that had to go before it was made, in this plan or in
// one that was interrupted.
func (b *builder) keepAnonymous(a *CreateContainer, r *replica) {
	if b.how.RenewAnonVolumes || r.verb != create || len(b.migrations) == 0 {
		return
	}
	var had []Mount
	if r.migrated != nil {
		had = anonymousMounts(r.migrated)
	}
	for _, name := range keys(b.migrations) {
		if mark := b.have.volumes[migratingName(name)]; mark != nil {
			had = append(had, readAnonymous(mark.Labels[LabelAnonymous], r.name)...)
		}
	}
	mounted := map[string]bool{}
	for _, v := range a.Spec.Volumes {
		mounted[v.Target] = v.Source != "" || v.Type != "volume"
	}
	a.Spec.Volumes = slices.Clone(a.Spec.Volumes)
	for _, m := range had {
		if mounted[m.Target] {
			continue
		}
		mounted[m.Target] = true
		a.Spec.Volumes = slices.DeleteFunc(a.Spec.Volumes, func(v project.ServiceVolume) bool { return v.Target == m.Target })
		a.Spec.Volumes = append(a.Spec.Volumes, project.ServiceVolume{Type: "volume", Source: m.Name, Target: m.Target, ReadOnly: m.ReadOnly})
		a.Volumes = put(a.Volumes, m.Name, m.Name)
	}
}

// writeAnonymous is the value of [LabelAnonymous]: a line a mount, with the container's name, the volume's, and the target.
func writeAnonymous(users []*Container) string {
	var lines []string
	for _, c := range users {
		for _, m := range anonymousMounts(c) {
			lines = append(lines, strings.TrimSuffix(c.Name, successorSuffix)+" "+m.Name+" "+m.Target)
		}
	}
	return strings.Join(lines, "\n")
}

// readAnonymous reads it back for one container.
func readAnonymous(label, container string) []Mount {
	var out []Mount
	for _, line := range strings.Split(label, "\n") {
		fields := strings.SplitN(line, " ", 3)
		if len(fields) == 3 && fields[0] == container {
			out = append(out, Mount{Type: "volume", Name: fields[1], Target: fields[2]})
		}
	}
	return out
}
