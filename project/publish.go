package project

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project/remote"
)

// Publication is a project as a registry keeps it: its files as they were written, variables and all, with
// the names of other files changed to where these lie beside them. What a publisher should know before others can read it
// comes with it, each finding with its place.
type Publication struct {
	// Files are the artifact's, those that are merged first, in their order.
	Files []remote.File
	// Values stand in the files as they are, and are no variables: others will read them.
	Values []Finding
	// EnvFiles hold variables or labels of containers. Without them the project cannot be loaded.
	EnvFiles []Finding
	// Credentials look like keys and passwords.
	Credentials []Finding
	// Mounts name folders of the machine that the project runs on.
	Mounts []Finding
	// Behind are files that the project reads and that do not go along, such as those of configs.
	Behind []Finding
}

// Finding is a place in a file, and what is there.
type Finding Error

// Publishing says how a project is made ready for a registry.
type Publishing struct {
	// EnvFiles lets the env files and label files go along.
	EnvFiles bool
}

// Publish loads a project with all of its profiles and gives it in the form that a registry keeps. A service that can only be
// built is an error: who reads the files elsewhere has nothing to build it from.
func Publish(ctx context.Context, o Options, how Publishing) (*Project, *Publication, error) {
	o.AllProfiles, o.NoContent, o.TolerateMissing = true, true, true
	l, err := begin(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := l.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := &publisher{places: l.places, how: how, out: &Publication{}, carried: map[string]bool{}}
	errs := w.unbuilt(p)
	for _, d := range slices.Concat(l.places.given, l.places.others()) {
		if root, _ := l.where.remotes.rootOf(d.file); root == "" {
			errs = append(errs, w.document(d)...)
		}
	}
	for _, file := range l.where.merged {
		w.behind(spot{}, "", l.where.show(file), "gives variables")
	}
	if len(errs) > 0 {
		return nil, nil, errs.sorted(l.places)
	}
	slices.SortStableFunc(w.out.Files, func(a, b remote.File) int { return rankOf(a) - rankOf(b) })
	for _, found := range []*[]Finding{&w.out.Values, &w.out.EnvFiles, &w.out.Credentials, &w.out.Mounts, &w.out.Behind} {
		*found = slices.CompactFunc(l.sortedFindings(*found), samePlace)
	}
	return p, w.out, nil
}

// rankOf puts what is merged before what is only named.
func rankOf(f remote.File) int {
	switch {
	case f.Env:
		return 2
	case f.Extends:
		return 1
	}
	return 0
}

// samePlace says whether two findings are one, which an alias leads to twice.
func samePlace(a, b Finding) bool {
	return a.Line > 0 && a.File == b.File && a.Line == b.Line && a.Column == b.Column
}

// sortedFindings puts findings in the order of files and lines.
func (l *loading) sortedFindings(fs []Finding) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(l.places.rank(a.File)-l.places.rank(b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return fs
}

// publisher goes through the files of a project.
type publisher struct {
	places  *places
	how     Publishing
	out     *Publication
	carried map[string]bool // the env files that are in, by path
	// doc is the file that is gone through, and edits what changes in it.
	doc   *document
	edits []edit
	errs  Errors
}

// unbuilt are the services that have no image to be pulled.
func (w *publisher) unbuilt(p *Project) Errors {
	var errs Errors
	for _, name := range sortedKeys(p.Services) {
		if s := p.Services[name]; s.Build != nil && s.Image == "" {
			e := w.places.find("services", name, "build").atKey()
			e.Path, e.Problem = "services."+name, "can only be built, and its sources are not published"
			e.Hint = "give it an image: NAME beside build, which `muster build --push` pushes"
			errs = append(errs, e)
		}
	}
	return errs
}

// document adds one Compose file.
func (w *publisher) document(d *document) Errors {
	w.doc, w.edits, w.errs = d, nil, nil
	roots, _ := d.parse()
	roles, through := newPattern(publishRoles()), nodes[role]{each: w.look, budget: maxNodes}
	for _, root := range roots {
		through.through(root, roles)
	}
	text, errs := rewrite(d, w.edits)
	if errs = append(w.errs, errs...); len(errs) > 0 {
		return errs
	}
	w.credentials(d)
	f := remote.File{Name: "compose.yaml", Text: text}
	if d.file != "-" {
		f.Name = filepath.Base(d.file)
	}
	if w.places.isExtra(d) {
		f.Name, f.Extends = flatName(d.file), true
	}
	w.out.Files = append(w.out.Files, f)
	return nil
}

// flatName is the name of a file in an artifact, which has no folders: files of one name do not meet.
func flatName(file string) string {
	sum := sha256.Sum256([]byte(filepath.ToSlash(file)))
	ext := filepath.Ext(file)
	if ext == "" || ext == filepath.Base(file) {
		ext = ".env"
	}
	stem := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, strings.Trim(strings.TrimSuffix(filepath.Base(file), ext), "."))
	return stem + "-" + hex.EncodeToString(sum[:4]) + ext
}

// role is what a value of the model is to a publisher.
type role int

const (
	roleNone    role = iota
	roleFile         // the name of a Compose file, which goes along
	roleEnvFile      // the name of a file that goes along where that is asked for
	roleFolder       // that the paths of an included file start from
	roleValue        // text that goes into a container
	roleMount        // a mount
	roleContent      // the name of a file whose content goes into a container
)

// publishRoles are the values that matter, by their path.
func publishRoles() map[string]role {
	table := map[string]role{
		"include.[]": roleFile, "include.[].path": roleFile, "include.[].path.[]": roleFile, "include.[].project_directory": roleFolder,
		"include.[].env_file": roleEnvFile, "include.[].env_file.[]": roleEnvFile,
		"configs.*.file": roleContent, "secrets.*.file": roleContent, "services.*.extends.file": roleFile,
		"services.*.credential_spec.file": roleContent,
	}
	for _, holder := range []string{"services.*.", "jobs.*.", "services.*.pre_start.[].", "services.*.post_start.[].", "services.*.pre_stop.[]."} {
		table[holder+"environment.*"], table[holder+"environment.[]"] = roleValue, roleValue
		for _, file := range []string{"env_file", "env_file.[]", "env_file.[].path", "label_file", "label_file.[]"} {
			table[holder+file] = roleEnvFile
		}
		table[holder+"volumes.[]"] = roleMount
	}
	return table
}

// look takes what is needed from one node. Below what no role is known for there is nothing.
func (w *publisher) look(n, at *yaml.Node, path []string, as *pattern[role]) bool {
	if as == nil {
		return false
	}
	if as.value != nil && *as.value == roleMount {
		w.mount(n, at, path)
	}
	if as.value != nil && at.Kind == yaml.ScalarNode && at.ShortTag() != "!!null" {
		w.scalar(spot{doc: w.doc, value: n}, at, path, *as.value)
	}
	return true
}

// scalar looks at one value.
func (w *publisher) scalar(s spot, at *yaml.Node, path []string, as role) {
	switch as {
	case roleFile:
		if source := w.doc.substitute(at.Value); !remote.Is(source) {
			w.edits = append(w.edits, edit{at: at, text: flatName(w.places.fileOf(w.doc, at.Value)), path: path})
		}
	case roleFolder:
		w.edits = append(w.edits, edit{at: at, text: ".", path: path})
	case roleEnvFile:
		w.envFile(s, at, path)
	case roleValue:
		w.value(s, at, path)
	case roleContent:
		w.behind(s, dotted(path), w.doc.substitute(at.Value), "goes into containers")
	case roleNone, roleMount:
	}
}

// value notes what is no variable. A key without a value takes it from who runs the project.
func (w *publisher) value(s spot, at *yaml.Node, path []string) {
	key, value := path[len(path)-1], at.Value
	if _, listed := indexOf(key); listed {
		var given bool
		if key, value, given = strings.Cut(at.Value, "="); !given {
			return
		}
	}
	if value == "" || len(references(value)) > 0 {
		return
	}
	w.out.Values = append(w.out.Values, found(s, dotted(path), key))
}

// envFile takes a file of variables along, or says that it is wanted.
func (w *publisher) envFile(s spot, at *yaml.Node, path []string) {
	file := w.doc.resolve(at.Value)
	w.out.EnvFiles = append(w.out.EnvFiles, found(s, dotted(path), w.places.where.show(file)))
	if !w.how.EnvFiles {
		return
	}
	name := flatName(file)
	w.edits = append(w.edits, edit{at: at, text: name, path: path})
	if w.carried[file] {
		return
	}
	w.carried[file] = true
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return // it is one that need not be there, or loading would have failed
	}
	if err != nil {
		e := s.at()
		e.Path, e.Problem = dotted(path), quote(w.places.where.show(file))+" cannot be read: "+cause(err)
		w.errs = append(w.errs, e)
		return
	}
	w.out.Files = append(w.out.Files, remote.File{Name: name, Text: text, Env: true})
}

// mount notes a folder of the machine.
func (w *publisher) mount(n, at *yaml.Node, path []string) {
	if source, bound := boundSource(w.doc, at); bound {
		w.out.Mounts = append(w.out.Mounts, found(spot{doc: w.doc, value: n}, dotted(path[:3]), source))
	}
}

func (w *publisher) behind(s spot, path, file, what string) {
	f := found(s, path, file)
	f.Hint = what
	w.out.Behind = append(w.out.Behind, f)
}

// found is a finding at a place. Problem is its subject: a key, a file.
func found(s spot, path, subject string) Finding {
	e := s.at()
	e.Path, e.Problem = path, subject
	return Finding(*e)
}

// edit is a value that reads differently in what is published.
type edit struct {
	at   *yaml.Node
	text string
	path []string
}

// rewrite gives a file's text with its edits, and every other byte as it was.
func rewrite(d *document, edits []edit) ([]byte, Errors) {
	slices.SortFunc(edits, func(a, b edit) int {
		if a.at.Line != b.at.Line {
			return b.at.Line - a.at.Line
		}
		return b.at.Column - a.at.Column
	})
	edits = slices.CompactFunc(edits, func(a, b edit) bool { return a.at == b.at }) // reached by an alias too
	var errs Errors
	text := slices.Clone(d.content)
	for _, e := range edits {
		from, to, ok := scalarExtent(text, e.at)
		if !ok {
			err := spot{doc: d, value: e.at}.at()
			err.Path, err.Problem = dotted(e.path), "this name has to be changed to be published, and is not written on one line"
			err.Hint = "write it in quotes on one line"
			errs = append(errs, err)
			continue
		}
		text = slices.Replace(text, from, to, []byte(fmt.Sprintf("%q", e.text))...)
	}
	return text, errs
}
