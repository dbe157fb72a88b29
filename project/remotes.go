package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project/remote"
)

// RemoteSource is a Compose file in a git repository or a registry that a project is made of.
type RemoteSource struct {
	// Source is what was written, such as https://github.com/org/repo.git#main:db.
	Source string
	// Kind is git or oci.
	Kind string
	// Version is the commit or digest; empty where it is not known before it is fetched.
	Version string
	// Was is the version that was used up to now, where it is another one.
	Was string
	// By is what names it: -f, or a place in a file.
	By string
}

// The variables that decide about remote files. They count in the process environment only: what
// lies in a project's .env must not allow what the project includes.
const (
	allowVariable  = "MUSTER_ALLOW_REMOTE"
	gitVariable    = "COMPOSE_EXPERIMENTAL_GIT_REMOTE"
	ociVariable    = "COMPOSE_EXPERIMENTAL_OCI_REMOTE"
	lockFile       = "muster.lock"
	allowEverybody = "all"
)

// remotes fetches what a project names elsewhere, each once a load.
type remotes struct {
	where   *location
	process map[string]string // the environment without env files
	store   remote.Store
	got     map[string]*fetched // by source
	order   []string            // of got
	lock    map[string]string   // the versions of the lock file, once read
	lockErr *Error
}

// fetched is how a source came out.
type fetched struct {
	source RemoteSource
	copy   remote.Copy
	errs   Errors // why it cannot be used
}

func newRemotes(w *location, process map[string]string) *remotes {
	var environ []string
	for _, key := range sortedKeys(process) {
		environ = append(environ, key+"="+process[key])
	}
	r := &remotes{where: w, process: process, got: map[string]*fetched{}}
	r.store = remote.Store{Dir: cacheDir(process), Environ: environ, Local: r.allowsLocal()}
	return r
}

// cacheDir is where copies are kept.
func cacheDir(env map[string]string) string {
	if dir := userCache(env); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("muster-%d", os.Getuid()))
}

func (r *remotes) allowed() []string { return list(r.process[allowVariable], ",") }

func (r *remotes) allowsLocal() bool {
	return slices.ContainsFunc(r.allowed(), isLocal)
}

// isLocal says whether an address is one of this machine. git would read what lies anywhere on it.
func isLocal(address string) bool { return strings.HasPrefix(address, "file://") }

// allows says whether the user's environment agrees to a source: all of them, or those
// below a host, an organisation or a repository.
func (r *remotes) allows(ref remote.Reference) bool {
	place := remote.Place(ref.Location)
	local := isLocal(ref.Location)
	for _, a := range r.allowed() {
		if isLocal(a) != local {
			continue
		}
		if !local && (a == allowEverybody || truth(a)) {
			return true
		}
		prefix := strings.TrimRight(remote.Place(strings.TrimPrefix(a, "oci://")), "/")
		if place == prefix || strings.HasPrefix(place, prefix+"/") {
			return true
		}
	}
	return false
}

// get gives the copy of a source, fetching it where it has to be. by is what names it. The answer
// is kept, a refusal too.
func (r *remotes) get(ctx context.Context, source, by string) *fetched {
	if f := r.got[source]; f != nil {
		return f
	}
	f := &fetched{source: RemoteSource{Source: source, By: by}}
	r.got[source] = f
	r.order = append(r.order, source)
	if err := r.fetch(ctx, f); err != nil {
		e := &Error{Problem: strconv.Quote(source) + ": " + err.Error()}
		var p *remote.Problem
		switch {
		case errors.As(err, &f.errs): // told with their places
		case errors.As(err, &e):
			f.errs = Errors{e}
		case errors.As(err, &p):
			e.Problem, e.Hint = strconv.Quote(source)+" "+p.Text, p.Hint
			f.errs = Errors{e}
		default:
			f.errs = Errors{e}
		}
	}
	return f
}

func (r *remotes) fetch(ctx context.Context, f *fetched) error {
	ref, err := remote.Parse(f.source.Source)
	if err != nil {
		return err
	}
	f.source.Kind = string(ref.Kind)
	for kind, variable := range map[remote.Kind]string{remote.Git: gitVariable, remote.OCI: ociVariable} {
		if value := r.where.env[variable]; ref.Kind == kind && value != "" && !truth(value) {
			return &remote.Problem{Text: "is not read: " + variable + " is " + value, Hint: "take the variable out, or name a local file"}
		}
	}
	if isLocal(ref.Location) && !r.allowsLocal() {
		return &remote.Problem{Text: "is a repository of this machine, which is not read", Hint: "name the file itself, or allow it with " + allowVariable + "=" + ref.Location}
	}
	version, known, err := r.version(ref)
	if err != nil {
		return err
	}
	f.source.Version = version
	if !known {
		if err := r.confirm(ref, f.source); err != nil {
			return err
		}
	}
	if f.copy, err = r.store.Fetch(ctx, ref, version); err != nil {
		return err
	}
	f.source.Version = f.copy.Version
	if was := r.store.Recall(ref.Source); was != "" && was != f.copy.Version && known {
		f.source.Was = was
		if err := r.confirm(ref, f.source); err != nil {
			return err
		}
	}
	if errs := r.inspect(f.copy); len(errs) > 0 {
		return errs
	}
	return r.store.Remember(ref.Source, f.copy.Version)
}

// version is the one that counts, empty for the newest, and whether the user has agreed to the
// source before. A source that names a commit or digest settles it, then the lock file,
// then what was taken the first time: a branch that moves on changes nothing by itself.
func (r *remotes) version(ref remote.Reference) (version string, known bool, err error) {
	before := r.store.Recall(ref.Source)
	if fixed := ref.Fixed(); fixed != "" {
		return fixed, before == fixed, nil
	}
	if r.where.o.RefreshRemotes {
		return "", before != "", nil
	}
	locked, err := r.locked(ref.Source)
	if err != nil {
		return "", false, err
	}
	if locked != "" {
		return locked, before == locked, nil
	}
	return before, before != "", nil
}

// confirm asks the user, unless the environment agrees.
func (r *remotes) confirm(ref remote.Reference, source RemoteSource) error {
	if r.allows(ref) {
		return nil
	}
	hint := "allow it with " + allowVariable + "=" + remote.Place(ref.Location)
	if isLocal(ref.Location) {
		hint = "allow it with " + allowVariable + "=" + ref.Location
	}
	if r.where.o.Confirm == nil {
		return &remote.Problem{Text: "was not agreed to yet: it decides what runs on this machine", Hint: hint + ", or run muster on a terminal, where it asks"}
	}
	ok, err := r.where.o.Confirm(source)
	if err != nil {
		return fmt.Errorf("ask about it: %w", err)
	}
	if !ok {
		return &remote.Problem{Text: "was not agreed to", Hint: "to agree without being asked, " + hint}
	}
	return nil
}

// inspect looks at a copy before anything reads what it names.
func (r *remotes) inspect(c remote.Copy) Errors {
	doc, err := r.where.readFile(c.File, nil)
	if err != nil {
		return Errors{err}
	}
	doc.dir = filepath.Dir(c.File)
	ps := newPlaces(r.where, []*document{doc})
	errs, _ := ps.escapes()
	return errs
}

// rootOf is the folder of the copy that a file belongs to; empty for a file of the user's own.
func (r *remotes) rootOf(file string) (root, source string) {
	for _, source := range r.order {
		if root := r.got[source].copy.Root; root != "" && within(root, file) {
			return root, source
		}
	}
	return "", ""
}

// show names a file of a copy by its source.
func (r *remotes) show(file string) string {
	root, source := r.rootOf(file)
	if root == "" {
		return ""
	}
	rel, err := filepath.Rel(root, file)
	if err != nil {
		return ""
	}
	rel = filepath.ToSlash(rel)
	ref, err := remote.Parse(source)
	if err != nil || ref.Kind == remote.OCI {
		return source + "/" + rel
	}
	return strings.Join([]string{strings.SplitN(source, "#", 2)[0], "#", ref.Version, ":", rel}, "")
}

// sources are all that were fetched, in the order of being met.
func (r *remotes) sources() []RemoteSource {
	var out []RemoteSource
	for _, source := range r.order {
		if f := r.got[source]; len(f.errs) == 0 {
			out = append(out, f.source)
		}
	}
	return out
}

// locked is the version that the lock file has for a source.
func (r *remotes) locked(source string) (string, error) {
	if r.lock == nil && r.lockErr == nil {
		r.lock, r.lockErr = readLock(filepath.Join(r.where.lockDir(), lockFile), r.where)
	}
	if r.lockErr != nil {
		return "", r.lockErr
	}
	return r.lock[source], nil
}

// lockDir is the folder of the first local file.
func (w *location) lockDir() string { return w.searchDir(w.o.Files) }

// lock is the content of the lock file.
type lock struct {
	Remotes map[string]string `yaml:"remotes"`
}

func readLock(file string, w *location) (map[string]string, *Error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]string{}, nil
	}
	var l lock
	if err == nil {
		err = yaml.Unmarshal(data, &l)
	}
	if err != nil {
		return nil, &Error{File: w.show(file), Problem: "cannot be read: " + cause(err), Hint: "write it anew with `muster config --lock-remotes`"}
	}
	if l.Remotes == nil {
		l.Remotes = map[string]string{}
	}
	return l.Remotes, nil
}

// LockFile is where and what to write so that everybody who has the folder gets the same
// versions of the project's remote files.
func (p *Project) LockFile() (file string, content []byte, err error) {
	l := lock{Remotes: map[string]string{}}
	for _, s := range p.Remotes {
		l.Remotes[s.Source] = s.Version
	}
	body, err := yaml.Marshal(l)
	if err != nil {
		return "", nil, fmt.Errorf("write the lock file: %w", err)
	}
	head := "# Which version of each remote file counts: made by `muster config --lock-remotes`, to be kept with the files.\n"
	return filepath.Join(p.lockDir, lockFile), append([]byte(head), body...), nil
}

// resourceLoader gives compose-go the copies of what files include and extend.
type resourceLoader struct{ l *loading }

// Accept takes every address, so that one that cannot be read is told by us, and notes which other files compose-go goes to.
func (l resourceLoader) Accept(path string) bool {
	if remote.Is(path) {
		return true
	}
	l.l.asked = append(l.l.asked, path)
	return false
}

// Load gives the path of the copy.
func (l resourceLoader) Load(ctx context.Context, path string) (string, error) {
	r := l.l
	by := ""
	if r.where.remotes.got[path] == nil {
		by = r.places.naming(path)
	}
	f := r.where.remotes.get(ctx, path, by)
	if len(f.errs) > 0 {
		return "", f.errs
	}
	return f.copy.File, nil
}

// Dir is the folder that paths in a source start from.
func (l resourceLoader) Dir(path string) string {
	if f := l.l.where.remotes.got[path]; f != nil {
		path = f.copy.File
	}
	return filepath.Dir(path)
}

// naming is the place in the given files that names a source; empty where it is none of them.
func (ps *places) naming(source string) string {
	for _, d := range ps.given {
		roots, _ := d.parse()
		for _, root := range roots {
			if n := scalarOf(d, root, source, 0); n != nil {
				return fmt.Sprintf("%s:%d:%d", d.name, n.Line, n.Column)
			}
		}
	}
	return ""
}

func scalarOf(d *document, n *yaml.Node, text string, depth int) *yaml.Node {
	if depth > maxDepth {
		return nil
	}
	if n.Kind == yaml.ScalarNode && d.substitute(n.Value) == text {
		return n
	}
	for _, c := range n.Content {
		if found := scalarOf(d, c, text, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// fileOf is the file that a name in a document leads to.
func (ps *places) fileOf(d *document, named string) string {
	source := d.substitute(named)
	if f := ps.where.remotes.got[source]; f != nil {
		return f.copy.File
	}
	return d.resolve(named)
}
