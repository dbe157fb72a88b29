// Package watch brings changes of files on this machine to what runs: it knows the rules of develop.watch, notices what
// changes, gathers what belongs together, and decides what that asks for.
//
// The way of a change: [Watcher] is told of it by the system or finds it by looking, [Gather] puts what happens
// at once into one batch, [Session] works out what the batch means for each service and has a [Stack] do it. The package
// neither knows the engine nor prints.
package watch

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// Action is what a rule does, in the words of the Compose file.
type Action string

// The actions.
const (
	Sync        Action = "sync"
	Rebuild     Action = "rebuild"
	Restart     Action = "restart"
	SyncRestart Action = "sync+restart"
	SyncExec    Action = "sync+exec"
)

// copies says whether files go into containers.
func (a Action) copies() bool { return a == Sync || a == SyncRestart || a == SyncExec }

// Rule is one entry of a service's develop.watch.
type Rule struct {
	Service     string
	Action      Action
	Path        string // on this machine, absolute: a file, or a folder with all in it
	Target      string // where that is in the containers
	InitialSync bool
	Exec        project.ServiceHook
	filter      filter
	// first are files that the initial sync leaves out: what the image and the stack are made from.
	first []string
}

// Covers says whether a change of a path is the rule's business.
func (r Rule) Covers(name string) bool { return within(r.Path, name) && r.filter.takes(name) }

// In is where a path below the rule's is in the containers.
func (r Rule) In(name string) string {
	rest, err := filepath.Rel(r.Path, name)
	if err != nil {
		return r.Target
	}
	return path.Join(r.Target, filepath.ToSlash(rest))
}

// within says whether a path is a folder, or in it.
func within(folder, name string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, string(filepath.Separator))+string(filepath.Separator))
}

// RuleError is a rule that cannot be followed.
type RuleError struct {
	Key           string // such as services.web.develop.watch[0]
	problem, hint string
}

// Error names the rule.
func (e *RuleError) Error() string { return e.Key + ": " + e.problem }

// Hint says what to write instead.
func (e *RuleError) Hint() string { return e.hint }

// Rules reads what services have below develop.watch; without names, of all that have some. Notes say what is not watched
// although a rule names it.
func Rules(of *project.Project, services []string) (rules []Rule, notes []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(of.Services)) {
		s := of.Services[name]
		if s.Develop == nil || len(services) > 0 && !slices.Contains(services, name) {
			continue
		}
		s.Name = name
		ignored, err := dockerIgnore(s)
		if err != nil {
			return nil, nil, err
		}
		for i := range s.Develop.Watch {
			rule, note, err := readRule(of, s, i, ignored)
			if err != nil {
				return nil, nil, err
			}
			if note != "" {
				notes = append(notes, note)
			}
			if rule != nil {
				rules = append(rules, *rule)
			}
		}
	}
	return rules, notes, nil
}

// readRule reads one entry. It is nil where the containers see the files anyway.
func readRule(of *project.Project, s project.Service, i int, ignored *matcher) (rule *Rule, note string, err error) {
	w := s.Develop.Watch[i]
	key := fmt.Sprintf("services.%s.develop.watch[%d]", s.Name, i)
	r := Rule{
		Service: s.Name, Action: Action(w.Action), Path: filepath.Clean(w.Path), Target: w.Target, InitialSync: w.InitialSync, Exec: w.Exec,
	}
	switch {
	case r.Action == Rebuild && s.Build == nil:
		return nil, "", &RuleError{key, "there is nothing to rebuild: the service has no build section", "give it one, or use action: restart"}
	case r.Action == SyncExec && len(w.Exec.Command) == 0:
		return nil, "", &RuleError{key, "action sync+exec has no command", "write exec: {command: …}"}
	case r.Action.copies() && !path.IsAbs(r.Target):
		// The engine would take it from the root, whatever the container's working folder is.
		r.Target = path.Join("/", s.WorkingDir, r.Target)
	}
	if r.Action == Sync || r.Action == SyncRestart {
		if source := mountedFrom(s, r.Path); source != "" {
			return nil, fmt.Sprintf("%s: %s is not synced, since the containers have it as a bind mount already (%s)", key, r.Path, source), nil
		}
	}
	if r.filter, err = newFilter(r.Path, w.Include, w.Ignore, ignored); err != nil {
		return nil, "", &RuleError{key, err.Error(), "the patterns are those of .dockerignore"}
	}
	r.first = slices.Clone(of.Files)
	if s.Build != nil {
		r.first = append(r.first, dockerfile(s))
	}
	if _, err := os.Lstat(r.Path); err != nil {
		note = fmt.Sprintf("%s: there is no %s yet; it is watched for", key, r.Path)
	}
	return &r, note, nil
}

// mountedFrom is the folder of this machine through which the containers see a path; empty where they do not.
func mountedFrom(s project.Service, name string) string {
	for _, v := range s.Volumes {
		if v.Type == "bind" && v.Source != "" && within(filepath.Clean(v.Source), name) {
			return v.Source
		}
	}
	return ""
}

// dockerfile is where a service's is.
func dockerfile(s project.Service) string {
	name := s.Build.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Build.Context, name)
}

// IgnoreFiles are the files that say what builds, and so rules, leave out; where they change, rules do.
func IgnoreFiles(of *project.Project) []string {
	var out []string
	for _, s := range of.Services {
		if s.Develop != nil && len(s.Develop.Watch) > 0 && s.Build != nil {
			out = append(out, ignoreFiles(s)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
