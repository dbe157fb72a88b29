package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project/remote"
)

// location is what flags, environment and folder come to before a Compose file is read.
type location struct {
	o        Options
	cwd      string
	dir      string        // the project's folder, absolute
	env      types.Mapping // the process environment over the env files
	files    []string      // Compose files, absolute or "-"
	envFiles []string      // given ones, absolute
	merged   []string      // env files that were read
	profiles []string
	warnings []Warning
	remotes  *remotes
	looked   []input // what was looked at to find all that
	// beyond says that something else was, of which that cannot be told.
	beyond bool
}

// locate follows docker compose: the process environment, then .env of the folder
// where the search begins (it may say COMPOSE_FILE), then the files, then .env of
// the project's folder. The location is useful even where there is an error.
func locate(ctx context.Context, o Options) (*location, error) {
	w := &location{o: o, cwd: o.Cwd, env: types.Mapping{}}
	w.remotes = newRemotes(w, nil)
	cwd, err := filepath.Abs(o.Cwd) // of nothing, it is the current folder
	if err != nil {
		return w, fmt.Errorf("find the current folder: %w", err)
	}
	w.cwd = cwd
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			w.env[k] = v
		}
	}
	w.remotes = newRemotes(w, maps.Clone(w.env))
	if w.env["PWD"] == "" {
		w.env["PWD"] = w.cwd
	}
	if o.Dir != "" {
		w.dir = w.abs(o.Dir)
	}
	var errs Errors
	errs = append(errs, w.readEnvFiles(w.searchDir(o.Files))...)
	files, fileErrs := w.findFiles(ctx)
	w.files, errs = files, append(errs, fileErrs...)
	if w.dir == "" {
		w.dir = w.searchDir(w.files)
	}
	if len(errs) == 0 {
		errs = append(errs, w.readEnvFiles(w.dir)...)
	}
	w.profiles = o.Profiles
	if len(w.profiles) == 0 {
		w.profiles = list(w.env["COMPOSE_PROFILES"], ",")
	}
	if o.AllProfiles {
		w.profiles = []string{"*"}
	}
	if len(errs) > 0 {
		return w, errs
	}
	return w, nil
}

// searchDir is the folder that files are looked for from, and .env first.
func (w *location) searchDir(files []string) string {
	if w.dir != "" {
		return w.dir
	}
	for _, f := range files {
		if f != "-" && (filepath.IsAbs(f) || !remote.Is(f)) {
			return filepath.Dir(w.abs(f))
		}
	}
	return w.cwd
}

func (w *location) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(w.cwd, path)
}

// show names a file as the user would: relative to the current folder where
// that is shorter.
func (w *location) show(path string) string {
	if path == "-" || !filepath.IsAbs(path) {
		return path
	}
	if source := w.remotes.show(path); source != "" {
		return source
	}
	rel, err := filepath.Rel(w.cwd, path)
	if err != nil || len(rel) >= len(path) {
		return path
	}
	return rel
}

// noFile is the error for a folder without a Compose file.
func (w *location) noFile() error {
	return fmt.Errorf("%w in %s or above (looked for %s); name one with -f",
		ErrNoFile, w.searchDir(nil), strings.Join(cli.DefaultFileNames, ", "))
}

// findFiles resolves -f, COMPOSE_FILE or the default names, in this order.
func (w *location) findFiles(ctx context.Context) ([]string, Errors) {
	named, by := w.o.Files, ""
	if len(named) == 0 && w.env["COMPOSE_FILE"] != "" {
		sep := w.env["COMPOSE_PATH_SEPARATOR"]
		if sep == "" {
			sep = string(os.PathListSeparator)
		}
		named, by = list(w.env["COMPOSE_FILE"], sep), "COMPOSE_FILE names it"
	}
	if len(named) == 0 {
		return w.discover(), nil
	}
	var files []string
	var errs Errors
	for _, f := range named {
		if f == "-" {
			files = append(files, f)
			continue
		}
		path := w.abs(f)
		w.looked = append(w.looked, input{inputText, path})
		if problem := unreadable(path); problem != "" {
			if remote.Is(f) {
				found := w.remotes.get(ctx, f, cmp.Or(by, "-f"))
				if len(found.errs) > 0 {
					errs = append(errs, found.errs...)
				} else {
					files = append(files, found.copy.File)
				}
				continue
			}
			errs = append(errs, &Error{File: w.show(path), Problem: problem, Hint: by})
			continue
		}
		files = append(files, path)
	}
	return files, errs
}

// unreadable says in words why a path is no file to read; empty when it is one.
func unreadable(path string) string {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no such file"
	case err != nil:
		return "cannot be read: " + cause(err)
	case info.IsDir():
		return "is a folder, not a file"
	}
	return ""
}

// cause is the innermost text of an error about a path that is named already.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// isRemote says whether a build's context is fetched by the builder.
func isRemote(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasSuffix(path, ".git")
}

// discover looks for the default names from the search folder upward.
func (w *location) discover() []string {
	for dir := w.searchDir(nil); ; {
		if found := w.existing(dir, cli.DefaultFileNames); len(found) > 0 {
			w.warnSeveral(found)
			files := found[:1]
			if over := w.existing(dir, cli.DefaultOverrideFileNames); len(over) > 0 {
				w.warnSeveral(over)
				files = append(files, over[0])
			}
			return files
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func (w *location) warnSeveral(found []string) {
	if len(found) < 2 {
		return
	}
	w.warnings = append(w.warnings, Warning{
		File:    w.show(found[0]),
		Problem: "is used; " + filepath.Base(found[1]) + " in the same folder is not",
		Hint:    "remove one of them, or name both with -f",
	})
}

func (w *location) existing(dir string, names []string) []string {
	var found []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		w.looked = append(w.looked, input{inputPresence, path})
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			found = append(found, path)
		}
	}
	return found
}

// list splits a variable's value and drops blanks.
func list(value, sep string) []string {
	var out []string
	for _, s := range strings.Split(value, sep) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// truth reads a boolean variable; anything that is not one is false.
func truth(value string) bool {
	b, err := strconv.ParseBool(value)
	return err == nil && b
}
