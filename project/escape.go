package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project/remote"
)

// A remote file must not name files of this machine: an env file, a secret or a build context
// would carry them into a container or an image of somebody else's making. What it may name
// lies in its own folder. Mounts of the host are what many stacks need, and are warned about.

// pathForm is how a value names a file.
type pathForm func(value string) (file string, ok bool)

func plainPath(v string) (string, bool) { return v, v != "" }

// contextPath leaves out what a builder fetches by itself.
func contextPath(v string) (string, bool) {
	return v, v != "" && !isRemote(v) && !strings.HasPrefix(v, types.ServicePrefix) && !strings.HasPrefix(v, "github.com/")
}

func afterEquals(v string) (string, bool) {
	_, file, ok := strings.Cut(v, "=")
	if !ok {
		return "", false
	}
	return contextPath(file)
}

func seccompPath(v string) (string, bool) {
	for _, prefix := range []string{"seccomp:", "seccomp="} {
		if file, ok := strings.CutPrefix(v, prefix); ok && file != "unconfined" && file != "builtin" && !strings.HasPrefix(file, "{") {
			return file, true
		}
	}
	return "", false
}

// filePaths are the places of the model that name a file that muster or the builder reads.
func filePaths() map[string]pathForm {
	table := map[string]pathForm{}
	add := func(f pathForm, keys ...string) {
		for _, key := range keys {
			table[key] = f
		}
	}
	add(includedPath, "include.[]", "include.[].path", "include.[].path.[]")
	add(plainPath, "include.[].project_directory", "include.[].env_file", "include.[].env_file.[]", "configs.*.file", "secrets.*.file")
	for _, holder := range []string{"services.*.", "jobs.*.", "services.*.pre_start.[]."} {
		add(plainPath, holder+"env_file", holder+"env_file.[]", holder+"env_file.[].path", holder+"label_file", holder+"label_file.[]",
			holder+"credential_spec.file")
		add(seccompPath, holder+"security_opt.[]")
		add(contextPath, holder+"build", holder+"build.context", holder+"build.additional_contexts.*", holder+"build.ssh.*")
		add(afterEquals, holder+"build.additional_contexts.[]", holder+"build.ssh.[]")
	}
	add(includedPath, "services.*.extends.file")
	add(plainPath, "services.*.develop.watch.[].path")
	return table
}

func includedPath(v string) (string, bool) { return v, v != "" && !remote.Is(v) }

// escapes finds what the remote files among the documents name outside of their folders: files,
// which are errors, and mounts of the host, which are warnings.
func (ps *places) escapes() (Errors, []Warning) {
	var errs Errors
	var warnings []Warning
	forms := newPattern(filePaths())
	for _, d := range slices.Concat(ps.given, ps.others()) {
		root, _ := ps.where.remotes.rootOf(d.file)
		if root == "" {
			continue
		}
		e := &escaping{doc: d, root: root}
		w := nodes[pathForm]{each: e.look, budget: maxNodes}
		roots, _ := d.parse()
		for _, n := range roots {
			w.through(n, forms)
		}
		errs = append(errs, e.errs...)
		warnings = append(warnings, e.warnings...)
	}
	return errs, warnings
}

// escaping is the walk through one document.
type escaping struct {
	doc      *document
	root     string
	errs     Errors
	warnings []Warning
}

// look holds one node against the folder.
func (e *escaping) look(n, at *yaml.Node, path []string, form *pattern[pathForm]) bool {
	e.mount(n, at, path)
	if at.Kind == yaml.ScalarNode && form != nil && form.value != nil {
		file, ok := (*form.value)(e.doc.substitute(at.Value))
		if ok && !e.inside(file) {
			err := spot{doc: e.doc, value: n}.at()
			err.Path, err.Problem = dotted(path), quote(file)+" lies outside of the remote project"
			err.Hint = "files of this machine are not given to it; if you trust it, clone it and use the local copy"
			e.errs = append(e.errs, err)
		}
	}
	if len(path) == 3 && path[2] == "build" {
		e.dockerfile(at, path)
	}
	return true
}

// dockerfile starts from the build's context.
func (e *escaping) dockerfile(build *yaml.Node, path []string) {
	_, file := child(build, "dockerfile")
	if file = followed(file); file == nil || file.Kind != yaml.ScalarNode {
		return
	}
	context := "."
	if _, c := child(build, "context"); followed(c) != nil && followed(c).Value != "" {
		context = e.doc.substitute(followed(c).Value)
	}
	name := e.doc.substitute(file.Value)
	if _, local := contextPath(context); !local || filepath.IsLocal(name) {
		return
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(context, name)
	}
	if !e.inside(name) {
		err := spot{doc: e.doc, value: file}.at()
		err.Path, err.Problem = dotted(append(slices.Clone(path), "dockerfile")), quote(name)+" lies outside of the remote project"
		e.errs = append(e.errs, err)
	}
}

// inside says whether a path leads into the project's folder, symbolic links followed.
func (e *escaping) inside(file string) bool {
	if strings.HasPrefix(file, "~") {
		return false
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(e.doc.dir, file)
	}
	if !within(e.root, file) {
		return false
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return true // it is not there, which is told elsewhere
	}
	root, err := filepath.EvalSymlinks(e.root)
	return err == nil && within(root, real)
}

// within says whether a file lies in a folder, or is it, going by the names.
func within(folder, file string) bool {
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}

// mount warns about what of the host a remote file mounts.
func (e *escaping) mount(n, at *yaml.Node, path []string) {
	if len(path) != 4 || path[0] != "services" || path[2] != "volumes" {
		return
	}
	source, bound := boundSource(e.doc, at)
	if !bound || source == "" || e.inside(source) {
		return
	}
	w := spot{doc: e.doc, value: n}.at()
	w.Path, w.Problem = dotted(path[:3]), fmt.Sprintf("a remote file gives its container %s of this machine", source)
	w.Hint = "make sure that you want that"
	e.warnings = append(e.warnings, Warning(*w))
}
