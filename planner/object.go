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

// longestObject is how long a name may be, in bytes: no engine that keeps such takes fewer than 64.
const longestObject = 63

// objectNames are the names on the engine of the configs and secrets of a service, by "configs.KEY" and "secrets.KEY".
func (b *builder) objectNames(s project.Service) map[string]string {
	out := map[string]string{}
	for _, u := range b.uses(s) {
		out[u.path] = b.objectName(u)
	}
	return out
}

// objectName is the name of one. What docker made of the same content, under a name without a digest, goes on.
func (b *builder) objectName(u use) string {
	plain, given, external := b.want.Name+"_"+u.ref.Source, u.declared.Name, bool(u.declared.External)
	switch {
	case external && given == "":
		return u.ref.Source
	case external, given != "" && given != plain:
		return given
	}
	digest := b.want.Content[u.path]
	if have := b.have.object(u.kind, plain); have != nil && have.Digest != "" && have.Digest == digest {
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
		for _, u := range b.uses(d.spec) {
			b.createObject(u, d.objects[u.path])
		}
	}
}

// createObject adds the step that makes the object called name, where it is not there.
func (b *builder) createObject(u use, name string) {
	ref := Ref{Kind: u.kind, Name: name}
	have, digest, external := b.have.object(u.kind, name), b.want.Content[u.path], bool(u.declared.External)
	switch {
	case external && have == nil:
		b.fail(ref, "create it with `docker "+string(u.kind)+" create "+name+" FILE`, or take `external` out of "+u.path, "external %s %q does not exist", u.kind, name)
		return
	case external, b.graph.byID[creates(u.kind, name)] != nil:
		return
	case have != nil:
		was := have.Digest
		if was == "" {
			was = have.Labels[LabelContent]
		}
		if name == u.declared.Name && was != "" && was != digest {
			b.fail(ref, "a "+string(u.kind)+" cannot be changed: give it another name in the file, or take `name` out so that muster does",
				"%s: %s %q is there with other content", u.path, u.kind, name)
		}
		return
	}
	b.graph.add(Step{
		Action: CreateObject{
			Project: b.want.Name, Kind: u.kind, Name: name, Key: u.path, Source: u.declared.File,
			Content: Hidden(b.contentOf(u.declared.Content, u.declared.Environment)),
			Labels:  merged(u.declared.Labels, map[string]string{LabelContent: digest, LabelProject: b.want.Name}),
			Driver:  u.declared.Driver, Options: u.declared.DriverOpts, Template: u.declared.TemplateDriver,
		},
		Because: []Change{{Path: u.path, To: name}},
	})
}

// creates is the step that makes an object, where the plan has one.
func creates(kind Kind, name string) StepID { return idOf(CreateObject{Kind: kind, Name: name}) }

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
