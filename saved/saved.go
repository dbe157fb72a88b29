// Package saved keeps a plan in a file until somebody carries it out, and tells
// what has moved on by then.
//
// A saved plan has no values of variables or secrets in it. What it needs to be carried out comes
// from the same files again: the plan is made anew and held against the saved one. So the file has the
// inputs (which files, which flags), the plan as `muster plan --json` prints it, what the engine had, and
// a short salted digest of each field of the model, by which a difference is named. It is described by
// plan.schema.json beside this file.
//
// The package has no clock and asks no engine; it reads and writes its own file and digests the
// Compose files.
package saved

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// Version is that of the file's format. A file of another version is refused: what it leaves out could
// be what matters.
const Version = 1

// Plan is a plan on file.
type Plan struct {
	// Format is always "muster plan"; it tells the file from any other JSON.
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Muster is the version of the program that made it.
	Muster  string    `json:"muster"`
	Made    time.Time `json:"made"`
	By      string    `json:"by,omitempty"` // user@host
	Project string    `json:"project"`
	Inputs  Inputs    `json:"inputs"`
	Policy  Policy    `json:"policy"`
	// Salt goes into every digest, so that two plans do not tell which values they share.
	Salt string `json:"salt"`
	// Files has the digests of the Compose files and env files, by path; the model is what counts.
	Files map[string]string `json:"files"`
	// Model has a digest of each field: "services.web.image".
	Model map[string]string `json:"model"`
	// State is what the engine had, by "container shop-web-1" and the like.
	State map[string]Facts `json:"state"`
	// Plan is what `muster plan --json` prints.
	Plan json.RawMessage `json:"plan"`
}

// Inputs say what to load, so that the same model comes out.
type Inputs struct {
	Files         []string `json:"files"` // absolute; "-" is standard input
	Directory     string   `json:"directory"`
	EnvFiles      []string `json:"env_files,omitempty"`
	Profiles      []string `json:"profiles,omitempty"`
	Target        string   `json:"target,omitempty"` // the kind of engine; empty is docker
	Compatibility bool     `json:"compatibility,omitempty"`
	AllResources  bool     `json:"all_resources,omitempty"`
	Strict        bool     `json:"strict,omitempty"`
	Host          string   `json:"host,omitempty"` // as given by flags
	Context       string   `json:"context,omitempty"`
	// Engine is the address that they led to.
	Engine string `json:"engine,omitempty"`
}

// Policy is the planner's, in a form that stays the same from version to version.
type Policy struct {
	Services           []string       `json:"services,omitempty"`
	NoDeps             bool           `json:"no_deps,omitempty"`
	Recreate           string         `json:"recreate,omitempty"` // always or never; empty is where it differs
	AlwaysRecreateDeps bool           `json:"always_recreate_deps,omitempty"`
	RemoveOrphans      bool           `json:"remove_orphans,omitempty"`
	IgnoreOrphans      bool           `json:"ignore_orphans,omitempty"`
	IgnoreDrift        bool           `json:"ignore_drift,omitempty"`
	Thorough           bool           `json:"thorough,omitempty"` // looks for drift that only an inspection finds
	RenewAnonVolumes   bool           `json:"renew_anon_volumes,omitempty"`
	MigrateVolumes     bool           `json:"migrate_volumes,omitempty"`
	Scale              map[string]int `json:"scale,omitempty"`
	Timeout            *time.Duration `json:"timeout,omitempty"` // nanoseconds, as the next
	NoStart            bool           `json:"no_start,omitempty"`
	Wait               bool           `json:"wait,omitempty"`
	WaitTimeout        time.Duration  `json:"wait_timeout,omitempty"`
	Build              bool           `json:"build,omitempty"`
	Changed            bool           `json:"changed,omitempty"`
	NoBuild            bool           `json:"no_build,omitempty"`
	Pull               string         `json:"pull,omitempty"`
	Resolve            string         `json:"resolve,omitempty"`
}

// Source is what a plan was made from.
type Source struct {
	Want *project.Project
	Have planner.State
	How  planner.Policy
	Plan planner.Plan
}

// New puts a plan into the form of the file. The caller fills in who made it, when and with which inputs;
// salt is random text.
func New(from Source, salt string) (*Plan, error) {
	written, err := from.Plan.JSON(planner.TextOptions{})
	if err != nil {
		return nil, err
	}
	s := &Plan{Format: format, Version: Version, Project: from.Want.Name, Policy: policyOf(from.How), Salt: salt, Plan: written}
	s.Files = s.digestFiles(from.Want)
	if s.Model, err = s.digestModel(from.Want); err != nil {
		return nil, err
	}
	s.State = factsOf(from.Have, s.digest)
	return s, nil
}

const format = "muster plan"

// policyOf leaves out what only a teardown has, and the clock.
func policyOf(how planner.Policy) Policy {
	p := Policy{
		Services: how.Services, NoDeps: how.NoDeps, AlwaysRecreateDeps: how.AlwaysRecreateDeps,
		RemoveOrphans: how.RemoveOrphans, IgnoreOrphans: how.IgnoreOrphans, IgnoreDrift: how.IgnoreDrift, Thorough: how.Thorough,
		RenewAnonVolumes: how.RenewAnonVolumes, MigrateVolumes: how.MigrateVolumes, Scale: how.Scale, Timeout: how.Timeout, NoStart: how.NoStart,
		Wait: how.Wait, WaitTimeout: how.WaitTimeout, Build: how.Build, Changed: how.Changed, NoBuild: how.NoBuild, Pull: how.Pull, Resolve: how.Resolve,
	}
	switch how.Recreate {
	case planner.RecreateAlways:
		p.Recreate = "always"
	case planner.RecreateNever:
		p.Recreate = "never"
	}
	return p
}

// How is the policy for the planner. Its clock stands where it stood when the plan was made, so that
// an image that was not due then is not due now.
func (s *Plan) How() planner.Policy {
	p := s.Policy
	how := planner.Policy{
		Services: p.Services, NoDeps: p.NoDeps, AlwaysRecreateDeps: p.AlwaysRecreateDeps,
		RemoveOrphans: p.RemoveOrphans, IgnoreOrphans: p.IgnoreOrphans, IgnoreDrift: p.IgnoreDrift, Thorough: p.Thorough,
		RenewAnonVolumes: p.RenewAnonVolumes, MigrateVolumes: p.MigrateVolumes, Scale: p.Scale, Timeout: p.Timeout, NoStart: p.NoStart,
		Wait: p.Wait, WaitTimeout: p.WaitTimeout, Build: p.Build, Changed: p.Changed, NoBuild: p.NoBuild, Pull: p.Pull, Resolve: p.Resolve, Now: s.Made,
	}
	switch p.Recreate {
	case "always":
		how.Recreate = planner.RecreateAlways
	case "never":
		how.Recreate = planner.RecreateNever
	}
	return how
}

// Write puts the plan into a file that only its owner can read, at once or not at all.
func (s *Plan) Write(file string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write plan to %s: %w", file, err)
	}
	// CreateTemp gives 0600.
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write plan to %s: %w", file, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(text.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write plan to %s: %w", file, err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return fmt.Errorf("write plan to %s: %w", file, err)
	}
	return nil
}

// maxSize bounds what is read, in bytes.
const maxSize = 256 << 20

// Read reads a file that [Plan.Write] has written. What is no plan, or one of another version, is refused
// with a hint.
func Read(file string) (*Plan, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, &Unreadable{File: file, Problem: reason(err), Advice: "make one with `muster plan -o " + file + "`", cause: err}
	}
	if info.Size() > maxSize {
		return nil, &Unreadable{File: file, Problem: "too large for a plan"}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &Unreadable{File: file, Problem: reason(err), cause: err}
	}
	var s Plan
	if err := json.Unmarshal(text, &s); err != nil || s.Format != format {
		return nil, &Unreadable{File: file, Problem: "not a plan", Advice: "`muster plan -o FILE` writes one", cause: err}
	}
	if s.Version != Version {
		return nil, &Unreadable{File: file, Problem: fmt.Sprintf("a plan of format %d, made by muster %s; this muster reads format %d", s.Version, s.Muster, Version),
			Advice: "make it anew with `muster plan -o " + file + "`"}
	}
	return &s, nil
}

// reason leaves out the path, which is told before.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// Unreadable is a file that cannot be carried out.
type Unreadable struct {
	File, Problem, Advice string
	cause                 error
}

// Error names the file.
func (e *Unreadable) Error() string { return e.File + ": " + e.Problem }

// Hint says how to get a better one.
func (e *Unreadable) Hint() string { return e.Advice }

// Unwrap gives what the system said.
func (e *Unreadable) Unwrap() error { return e.cause }
