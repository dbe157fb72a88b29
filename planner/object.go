package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/musterhq/muster/project"
)

// An engine that keeps configs and secrets never changes one. So a name has the digest of the content: another content is another
// object, the services are changed to use it, and the old one goes when none does any more. A name that the file gives is used as
// it is.

// longestObject is how long a name may be, in bytes; Swarm takes 64 and Kubernetes 253.
const longestObject = 63

// objectNames are the names on the engine of the configs and secrets of a service, by "configs.KEY" and "secrets.KEY".
func (b *builder) objectNames(s project.Service) map[string]string {
	out := map[string]string{}
	for _, ref := range s.Configs {
		c := b.want.Configs[ref.Source]
		out["configs."+ref.Source] = b.objectName(KindConfig, "configs."+ref.Source, ref.Source, c.Name, bool(c.External))
	}
	for _, ref := range s.Secrets {
		c := b.want.Secrets[ref.Source]
		out["secrets."+ref.Source] = b.objectName(KindSecret, "secrets."+ref.Source, ref.Source, c.Name, bool(c.External))
	}
	return out
}

// objectName is the name of one. What docker made of the same content, under a name without a digest, goes on.
func (b *builder) objectName(kind Kind, path, key, given string, external bool) string {
	plain := b.want.Name + "_" + key
	switch {
	case external && given == "":
		return key
	case external, given != "" && given != plain:
		return given
	}
	digest := b.want.Content[path]
	if have := b.have.object(kind, plain); have != nil && have.Digest != "" && have.Digest == digest {
		return plain
	}
	sum := sha256.Sum256([]byte(digest))
	suffix := "-" + hex.EncodeToString(sum[:6])
	return plain[:min(len(plain), longestObject-len(suffix))] + suffix
}

// createObjects makes the configs and secrets that are missing.
func (b *builder) createObjects() {
	for _, name := range b.order {
		d := b.deployments[name]
		for _, ref := range d.spec.Configs {
			c := b.want.Configs[ref.Source]
			b.createObject(d, CreateObject{Kind: KindConfig, Key: "configs." + ref.Source, Source: c.File, Content: Hidden(b.contentOf(c.Content, c.Environment)),
				Labels: merged(c.Labels), Driver: c.Driver, Options: c.DriverOpts, Template: c.TemplateDriver}, bool(c.External), c.Name)
		}
		for _, ref := range d.spec.Secrets {
			c := b.want.Secrets[ref.Source]
			b.createObject(d, CreateObject{Kind: KindSecret, Key: "secrets." + ref.Source, Source: c.File, Content: Hidden(b.contentOf(c.Content, c.Environment)),
				Labels: merged(c.Labels), Driver: c.Driver, Options: c.DriverOpts, Template: c.TemplateDriver}, bool(c.External), c.Name)
		}
	}
}

// createObject adds the step that makes one. given is the name that the file gives it.
func (b *builder) createObject(d *deployment, a CreateObject, external bool, given string) {
	a.Project, a.Name = b.want.Name, d.objects[a.Key]
	ref := Ref{Kind: a.Kind, Name: a.Name}
	have, digest := b.have.object(a.Kind, a.Name), b.want.Content[a.Key]
	switch {
	case external && have == nil:
		b.fail(ref, "create it with `docker "+string(a.Kind)+" create "+a.Name+" FILE`, or take `external` out of "+a.Key, "external %s %q does not exist", a.Kind, a.Name)
		return
	case external, b.objectSteps[a.Name] != "":
		return
	case have != nil:
		was := have.Digest
		if was == "" {
			was = have.Labels[LabelContent]
		}
		if a.Name == given && was != "" && was != digest {
			b.fail(ref, "a "+string(a.Kind)+" cannot be changed: give it another name in the file, or take `name` out so that muster does",
				"%s: %s %q is there with other content", a.Key, a.Kind, a.Name)
		}
		return
	}
	a.Labels[LabelContent] = digest
	a.Labels[LabelProject] = b.want.Name
	b.objectSteps[a.Name] = b.graph.add(Step{Action: a, Because: []Change{{Path: a.Key, To: a.Name}}})
}

// dropObjects removes the configs and secrets of the project that no service uses any more, when those that did have come to
// what they shall be.
func (b *builder) dropObjects() {
	wanted := map[string]bool{}
	for _, d := range b.deployments {
		for _, name := range d.objects {
			wanted[name] = true
		}
	}
	for _, o := range b.have.objects {
		if o.Labels[LabelProject] != b.want.Name || wanted[o.Name] {
			continue
		}
		needs, changing, used := b.released(o.Name)
		if used {
			continue
		}
		b.graph.add(Step{Action: RemoveObject{Kind: o.Kind, Name: o.Name}, Needs: needs, Because: []Change{{Path: string(o.Kind) + "s." + o.Name, From: "used by none"}}})
		if !changing {
			b.items = append(b.items, Item{Ref: Ref{Kind: o.Kind, Name: o.Name}, Verdict: Remove, Summary: "remove, no service uses it"})
		}
	}
}

// released are the steps after which no service uses an object any more. changing says that there are any, used that one goes
// on using it.
func (b *builder) released(object string) (needs []StepID, changing, used bool) {
	for _, key := range keys(b.have.deployed) {
		have := b.have.deployed[key]
		if !slices.Contains(have.Objects, object) {
			continue
		}
		d := b.deployments[key]
		switch {
		case b.gone[have.Name] != "":
			needs = append(needs, b.gone[have.Name])
		case d != nil && d.apply != "":
			needs = append(needs, d.ends()...)
		default:
			return nil, false, true
		}
		changing = true
	}
	return needs, changing, false
}
