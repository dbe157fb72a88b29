package project

import (
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project/remote"
)

// maxSources bounds how many files a project may be made of.
const maxSources = 1000

// others are the files that the given ones include or extend, directly or not.
// compose-go reads them itself; here they are read again only for a place.
func (ps *places) others() []*document {
	return ps.seek(func(source, _ string) *fetched { return ps.where.remotes.got[source] })
}

// seek is the same, with a way to get what is remote; nil is not to be had now.
func (ps *places) seek(get func(source, by string) *fetched) []*document {
	if ps.sought {
		return ps.extra
	}
	ps.sought = true
	for i := 0; i < len(ps.given)+len(ps.extra) && i < maxSources; i++ {
		d := ps.nth(i)
		roots, err := d.parse()
		if err != nil {
			continue
		}
		for _, root := range roots {
			if !d.base {
				ps.seekIncludes(d, root, get)
			}
			ps.seekExtends(d, root, get)
		}
	}
	return ps.extra
}

func (ps *places) nth(i int) *document {
	if i < len(ps.given) {
		return ps.given[i]
	}
	return ps.extra[i-len(ps.given)]
}

// opened is a document by its file, nil when it was not read.
func (ps *places) opened(file string) *document {
	for i := range len(ps.given) + len(ps.extra) {
		if d := ps.nth(i); d.file == file {
			return d
		}
	}
	return nil
}

// local gives the file that stands for what another file names, fetched where it is
// remote; empty where it is not to be had. What is wrong is told at the place that names it.
func (ps *places) local(s spot, path, named string, get func(source, by string) *fetched) string {
	source := s.doc.substitute(named)
	if !remote.Is(source) {
		return s.doc.resolve(named)
	}
	e := s.at()
	f := get(source, e.Place())
	if f == nil {
		return ""
	}
	if len(f.errs) > 0 {
		for _, told := range f.errs {
			if told.File == "" {
				told.File, told.Line, told.Column, told.Path = e.File, e.Line, e.Column, path
			}
			ps.lost = append(ps.lost, told)
		}
		return ""
	}
	return f.copy.File
}

// open reads a file that another one names, unless it is read already; why it
// cannot be read is told at the place that names it.
func (ps *places) open(s spot, path, file string) *document {
	if d := ps.opened(file); d != nil {
		return d
	}
	problem := unreadable(file)
	if problem == "" {
		d, err := ps.where.readFile(file, nil)
		if err == nil {
			ps.extra = append(ps.extra, d)
			return d
		}
		problem = err.Problem
	}
	e := s.at()
	e.Path, e.Problem = path, quote(ps.where.show(file))+": "+problem
	ps.lost = append(ps.lost, e)
	return nil
}

func (d *document) resolve(path string) string {
	path = d.substitute(path)
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(d.dir, path)
}

// substitute interpolates quietly; what is wrong with a template is told elsewhere.
func (d *document) substitute(text string) string {
	out, err := template.SubstituteWithOptions(text, d.env.Resolve, template.WithoutLogging)
	if err != nil {
		return text
	}
	return out
}

func (ps *places) seekIncludes(d *document, root *yaml.Node, get func(source, by string) *fetched) {
	_, inc := child(root, "include")
	inc = followed(inc)
	if inc == nil || inc.Kind != yaml.SequenceNode {
		return
	}
	for i, e := range inc.Content {
		path := dotted([]string{"include", index(i)})
		entry, paths, dir := d.included(e)
		for j, p := range paths {
			n := followed(p)
			if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
				continue
			}
			at := spot{doc: d, value: p}
			file := ps.local(at, path, n.Value, get)
			if file == "" {
				continue
			}
			if j == 0 && dir == "" {
				dir = filepath.Dir(file)
			}
			envFiles := d.includedEnvFiles(entry, dir)
			ps.around = append(ps.around, input{inputPresence, dir})
			for _, f := range envFiles {
				ps.around = append(ps.around, input{inputText, f})
			}
			inc := ps.open(at, path, file)
			if inc != nil && inc.dir != dir && ps.isExtra(inc) {
				inc.dir, inc.env = dir, d.includedEnv(envFiles)
			}
		}
	}
}

// included takes an entry of include apart: its files, and the folder that paths in them start from, empty for that of the first.
func (d *document) included(e *yaml.Node) (entry *yaml.Node, paths []*yaml.Node, dir string) {
	entry, paths = followed(e), []*yaml.Node{e}
	if entry.Kind != yaml.MappingNode {
		return entry, paths, ""
	}
	_, p := child(entry, "path")
	paths = []*yaml.Node{p}
	if p := followed(p); p != nil && p.Kind == yaml.SequenceNode {
		paths = p.Content
	}
	if _, pd := child(entry, "project_directory"); pd != nil && pd.Value != "" {
		dir = d.resolve(pd.Value)
	}
	return entry, paths, dir
}

func (ps *places) isExtra(d *document) bool {
	for _, e := range ps.extra {
		if e == d {
			return true
		}
	}
	return false
}

// includedEnvFiles are those of an entry of include: .env in its folder where none is named. They need not be there.
func (d *document) includedEnvFiles(entry *yaml.Node, dir string) []string {
	_, given := child(entry, "env_file")
	given = followed(given)
	switch {
	case given == nil:
		return []string{filepath.Join(dir, ".env")}
	case given.Kind == yaml.ScalarNode:
		return []string{d.resolve(given.Value)}
	}
	var files []string
	for _, n := range given.Content {
		files = append(files, d.resolve(followed(n).Value))
	}
	return files
}

// includedEnv is what an included file is interpolated with: our environment over its env files.
func (d *document) includedEnv(files []string) map[string]string {
	var readable []string
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() && info.Size() <= maxFile {
			readable = append(readable, f)
		}
	}
	env := d.env.Clone()
	if vars, err := dotenv.GetEnvFromFile(d.env, readable); err == nil {
		env.Merge(vars)
	}
	return env
}

func (ps *places) seekExtends(d *document, root *yaml.Node, get func(source, by string) *fetched) {
	_, services := child(root, "services")
	services = followed(services)
	if services == nil || services.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		key := services.Content[i]
		name, file := extendsOf(services.Content[i+1])
		if file == "" {
			continue
		}
		_, ext := child(services.Content[i+1], "extends")
		fk, fv := child(ext, "file")
		at, path := spot{doc: d, key: fk, value: fv}, "services."+key.Value+".extends.file"
		if file = ps.local(at, path, file, get); file == "" {
			continue
		}
		base := ps.open(at, path, file)
		if base == nil || !ps.isExtra(base) {
			continue
		}
		if !base.base && len(base.extended) == 0 && base.dir == ps.where.dir {
			base.base, base.dir, base.env = true, filepath.Dir(base.file), d.env
		}
		base.extended = append(base.extended, name)
	}
}
