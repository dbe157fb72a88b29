package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project"
)

// Inputs are what a build goes by: each file of its contexts, its Dockerfile and the parts of its section, by the name that
// people know it by, with a digest.
type Inputs map[string]string

// Of the inputs that an image was built from, its label has one digest of all, by which a change is seen, and a list with a
// short one of each, which says what has changed. 24 bits of a digest are enough for that, and little for somebody who
// tries what might stand in a file. A long list names folders instead of the files in them, so that it stays a label.
const (
	mostListed  = 200
	listedBytes = 3
	mostTold    = 60      // characters that a plan has room for
	mostText    = 1 << 20 // bytes of a list that are read
)

// label writes inputs for [LabelInputs].
func (in Inputs) label() string {
	depth := 0 // all of it
	list := in.folded(depth)
	for deep := in.deepest() - 1; len(list) > mostListed && deep >= 0; deep-- {
		list, depth = in.folded(deep), deep
	}
	if len(list) > mostListed {
		return in.digest()
	}
	var text strings.Builder
	for _, name := range keys(list) {
		fmt.Fprintf(&text, "%s\x00%s\x00", name, list[name])
	}
	return fmt.Sprintf("%s %d %s", in.digest(), depth, EncodeSpec([]byte(text.String())))
}

// digest is that of all inputs.
func (in Inputs) digest() string {
	sum := sha256.New()
	for _, name := range keys(in) {
		fmt.Fprintf(sum, "%s\x00%s\x00", name, in[name])
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// deepest is the number of names in the longest path.
func (in Inputs) deepest() int {
	deepest := 0
	for name := range in {
		deepest = max(deepest, strings.Count(name, "/")+1)
	}
	return deepest
}

// folded shortens names to so many parts, and digests to what a list has; depth 0 leaves the names.
func (in Inputs) folded(depth int) Inputs {
	folders := map[string]Inputs{}
	for name, digest := range in {
		parts := strings.Split(name, "/")
		short := name
		if depth > 0 && len(parts) > depth {
			short = strings.Join(parts[:depth], "/") + "/"
		}
		if folders[short] == nil {
			folders[short] = Inputs{}
		}
		folders[short][name] = digest
	}
	out := make(Inputs, len(folders))
	for name, all := range folders {
		sum := sha256.Sum256([]byte(all.digest()))
		out[name] = hex.EncodeToString(sum[:listedBytes])
	}
	return out
}

// since says what is not as it was when an image was built, from the image's label; nothing has changed where it is empty.
func (in Inputs) since(label string) string {
	if label == "" {
		return "it is not known what the image was built from"
	}
	digest, rest, _ := strings.Cut(label, " ")
	if digest == in.digest() {
		return ""
	}
	depth, list, _ := strings.Cut(rest, " ")
	was, err := unlisted(list)
	deep, notNumber := strconv.Atoi(depth)
	if err != nil || notNumber != nil {
		return "context changed"
	}
	now := in.folded(deep)
	var names []string
	for _, name := range distinct(slices.Concat(keys(was), keys(now))) {
		switch {
		case was[name] == now[name]:
		case was[name] == "":
			names = append(names, name+" (new)")
		case now[name] == "":
			names = append(names, name+" (gone)")
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "context changed"
	}
	text := "context changed: " + names[0]
	for i, name := range names[1:] {
		if more := fmt.Sprintf(" and %d more", len(names)-i-1); len(text)+len(name)+len(more) > mostTold {
			return text + more
		}
		text += ", " + name
	}
	return text
}

// unlisted reads the list of a label.
func unlisted(text string) (Inputs, error) {
	plain, err := DecodeSpec(text)
	if err != nil {
		return nil, err
	}
	plain = plain[:min(len(plain), mostText)]
	words := strings.Split(strings.TrimSuffix(string(plain), "\x00"), "\x00")
	out := Inputs{}
	for i := 0; i+1 < len(words); i += 2 {
		out[words[i]] = words[i+1]
	}
	return out, nil
}

// inputs are those of a service's build, with those of the services that it has as contexts; nil where nobody has looked.
func (b *builder) inputs(s *service) Inputs { return b.inputsOf(s, nil) }

func (b *builder) inputsOf(s *service, above []string) Inputs {
	own := b.how.Inputs[s.name]
	if own == nil || slices.Contains(above, s.name) {
		return own
	}
	out := Inputs{}
	for name, digest := range own {
		out[name] = digest
	}
	for _, base := range b.baseServices(s) {
		if of := b.inputsOf(base, append(above, s.name)); of != nil {
			out["service:"+base.name] = of.digest()
		}
	}
	return out
}

// baseServices are those whose images a build has as contexts, by name.
func (b *builder) baseServices(s *service) []*service {
	var out []*service
	if s.spec.Build == nil {
		return nil
	}
	for _, name := range keys(s.spec.Build.AdditionalContexts) {
		if base := b.contextOf(s.spec.Build.AdditionalContexts[name]); base != nil {
			out = append(out, base)
		}
	}
	return out
}

// buildReason says why the image of a service that can be built is built although it may be there; false where it is not.
func (b *builder) buildReason(s *service, policy string, have *Image) (Change, bool) {
	switch in := b.inputs(s); {
	case s.spec.Build == nil || b.how.NoBuild:
	case b.how.Build:
		return Change{Path: s.path("build"), To: "asked for with --build"}, true
	case policy == project.PullBuild:
		return Change{Path: s.path("pull_policy"), To: policy}, true
	case in != nil && have != nil:
		why := in.since(have.Labels[LabelInputs])
		return Change{Path: s.path("build"), To: why}, why != ""
	}
	return Change{}, false
}
