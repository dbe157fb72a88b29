package planner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project"
)

var update = flag.Bool("update", false, "write the plans that come out into the stories")

// story is one txtar file of testdata:
//
//	before.yaml  brought up first; what it makes is there
//	have         then happens on the engine, one event a line (see world.happen)
//	compose.yaml is wanted
//	how          the policy, and what is planned (command: up, images, down, start, stop, restart)
//	plan         what comes out, as people read it
//	steps        the same as a graph; absent where there is nothing to do
//	error        what comes out instead
type story struct {
	name    string
	archive *txtar.Archive
	folder  string
	how     storyPolicy
	world   *world
	loaded  map[string]*project.Project
	adapt   func(*project.Project)
}

// storyPolicy is the section "how".
type storyPolicy struct {
	Command            string
	NoFile             bool `yaml:"no_file"`
	Services           []string
	NoDeps             bool `yaml:"no_deps"`
	Recreate           string
	AlwaysRecreateDeps bool `yaml:"always_recreate_deps"`
	Orphans            string
	Renew              bool
	Scale              map[string]int
	Timeout            string
	NoStart            bool `yaml:"no_start"`
	Wait, Build        bool
	NoBuild            bool `yaml:"no_build"`
	NoDrift            bool `yaml:"no_drift"`
	Migrate            bool
	Restore            map[string]Restore
	Quick              bool // up without --drift; else as plan looks
	Pull, Resolve      string
	Now                time.Time
	Volumes            bool
	Images             string
	ShowValues         bool     `yaml:"show_values"`
	Only               []string // services that are loaded, as up SERVICE does
	Run                []string // the command of run, for the first of Services
	Aliases, Remove    bool     // of run
	Builder            string   // outside of the engine
	LateNetworks       bool     `yaml:"late_networks"` // of the engine
	Nodes              int      // the engine keeps services by itself, on so many machines
	Profiles           []string
	Inputs, Built      map[string]Inputs // what builds go by, and did when the images were built
}

func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := readStory(t, file)
			plan, err := s.plan(t, s.world)
			got := map[string]string{}
			if err != nil {
				got["error"] = err.Error() + "\n"
			} else {
				got["plan"] = plan.Text(TextOptions{ShowValues: s.how.ShowValues, Command: s.command()})
				if len(plan.Steps) > 0 {
					got["steps"] = plan.StepsText(TextOptions{ShowValues: s.how.ShowValues})
				}
			}
			s.compare(t, file, got)
			if err == nil {
				s.check(t, plan)
				s.checkRepeatable(t, plan)
				s.checkReplacements(t, plan)
				checkSchema(t, plan)
			}
		})
	}
}

// compare holds what came out against what the story says, or writes it there.
func (s *story) compare(t *testing.T, file string, got map[string]string) {
	t.Helper()
	sections := []string{"plan", "steps", "error"}
	for k, v := range got {
		got[k] = strings.ReplaceAll(v, s.folder, "/src")
	}
	if *update {
		kept := s.archive.Files[:0:0]
		for _, f := range s.archive.Files {
			if f.Name != "plan" && f.Name != "steps" && f.Name != "error" {
				kept = append(kept, f)
			}
		}
		for _, name := range sections {
			if text, ok := got[name]; ok {
				kept = append(kept, txtar.File{Name: name, Data: []byte(text)})
			}
		}
		s.archive.Files = kept
		if err := os.WriteFile(file, txtar.Format(s.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range sections {
		if diff := cmp.Diff(s.section(name), got[name]); diff != "" {
			t.Errorf("%s (-story +now):\n%s", name, diff)
		}
	}
}

// command is what a user would type.
func (s *story) command() string {
	switch s.how.Command {
	case "", "images", "preview":
		return "" // muster up
	}
	return "muster " + s.how.Command
}

func (s *story) section(name string) string {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func readStory(t *testing.T, file string) *story {
	t.Helper()
	return readStoryWith(t, file, func(*project.Project) {})
}

// readStoryWith reads a story whose files all say something more.
func readStoryWith(t *testing.T, file string, adapt func(*project.Project)) *story {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{name: filepath.Base(file), archive: archive, folder: t.TempDir(), world: newWorld(), loaded: map[string]*project.Project{}, adapt: adapt}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(s.section("how"))))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s.how); err != nil && s.section("how") != "" {
		t.Fatalf("how: %v", err)
	}
	for _, f := range archive.Files {
		if err := os.WriteFile(filepath.Join(s.folder, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.folder, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"before.yaml", "compose.yaml"} {
		if s.section(name) == "" {
			continue
		}
		for _, ref := range ScopeOf(s.load(t, name, nil)).Images {
			if s.world.image(ref) == nil {
				s.world.addImage(ref)
			}
		}
	}
	s.world.converge(s.how.Nodes)
	if s.section("before.yaml") != "" {
		s.bringUp(t, "before.yaml", -1)
	}
	for _, line := range strings.Split(s.section("have"), "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(line, "#") {
			s.happen(t, fields)
		}
	}
	s.world.state.Engine.Builder, s.world.state.Engine.LateNetworks = s.how.Builder, s.how.LateNetworks
	if s.how.Built != nil {
		plan, err := Builds(s.load(t, "compose.yaml", nil), State{}, Policy{Inputs: s.how.Built}, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan.Steps {
			a := step.Action.(BuildImage)
			s.world.image(a.Ref).Labels = a.Labels
		}
	}
	for _, v := range s.world.state.Volumes {
		if s.how.Migrate && v.Labels[LabelVolume] != "" {
			s.world.data[v.Name] = "what was in " + v.Name
		}
	}
	return s
}

func (s *story) load(t *testing.T, file string, services []string) *project.Project {
	t.Helper()
	key := file + " " + strings.Join(services, " ")
	if p := s.loaded[key]; p != nil {
		return p
	}
	target := project.TargetDocker
	if s.how.Nodes > 0 {
		target = project.TargetSwarm
	}
	p, err := project.Load(context.Background(), project.Options{Target: target,
		Files: []string{filepath.Join(s.folder, file)}, Name: "shop", Dir: s.folder, Services: services, Environ: []string{}, Profiles: s.how.Profiles,
		NoDeps: s.how.NoDeps && len(services) > 0,
	})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	s.adapt(p)
	s.loaded[key] = p
	return p
}

// bringUp runs the first n steps of the plan to a file; all of them where n is negative.
func (s *story) bringUp(t *testing.T, file string, n int) {
	t.Helper()
	plan, err := Build(s.load(t, file, nil), s.world.state, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 || n > len(plan.Steps) {
		n = len(plan.Steps)
	}
	if err := s.world.run(plan.Steps[:n]); err != nil {
		t.Fatal(err)
	}
	// Jobs that nobody waits for have come to their end meanwhile.
}

// happen is what takes place on the engine before the plan is made.
func (s *story) happen(t *testing.T, f []string) {
	t.Helper()
	w := s.world
	defer w.sort()
	c := w.container(f[1])
	need := func() *Container {
		if c == nil {
			t.Fatalf("have: no container %s", f[1])
		}
		return c
	}
	switch f[0] {
	case "exit": // NAME CODE [since…]
		code, _ := strconv.Atoi(f[2])
		need().Status, c.ExitCode, c.Health, c.Ports = Exited, code, NoHealth, nil
		if len(f) > 3 {
			c.Since = fmt.Sprintf("Exited (%d) %s", code, strings.Join(f[3:], " "))
		}
	case "status": // NAME STATUS
		need().Status = Status(f[2])
	case "health": // NAME VERDICT
		need().Health = Health(f[2])
	case "set": // NAME {settings}: docker update
		settings := w.settings[need().ID]
		if err := json.Unmarshal([]byte(strings.Join(f[2:], " ")), &settings); err != nil {
			t.Fatal(err)
		}
		w.settings[c.ID] = settings
	case "address": // NAME NETWORK IP MAC: what the engine chose
		e := need().endpoint(f[2])
		e.IPv4, e.MAC = f[3], f[4]
	case "joined": // NAME KEY ID: it uses that container's namespace
		need().Joined = map[string]string{f[2]: f[3]}
	case "rename": // NAME NEW
		need().Name = f[2]
	case "remove": // NAME
		w.state.Containers = remove(w.state.Containers, func(c Container) bool { return c.Name == f[1] })
	case "unjoined": // NAME NETWORK: it is only to be in it once it starts
		need().endpoint(f[2]).NetworkID = ""
	case "disconnect": // NAME NETWORK
		need().Endpoints = remove(c.Endpoints, func(e Endpoint) bool { return e.Network == f[2] })
	case "connect": // NAME NETWORK [ALIAS...]
		w.connect(need(), f[2], f[3:], FixedAddresses{})
	case "rebuilt", "pulled": // IMAGE: its tag means other content
		w.addImage(f[1])
	case "fetched": // IMAGE TIME: pulled at that time
		at, err := time.Parse(time.RFC3339, f[2])
		if err != nil {
			t.Fatal(err)
		}
		w.image(f[1]).Fetched = at
	case "registry": // IMAGE DIGEST: what it stands for in its registry now
		if w.state.Registry == nil {
			w.state.Registry = map[string]string{}
		}
		w.state.Registry[f[1]] = f[2]
	case "noimage": // IMAGE
		w.state.Images = remove(w.state.Images, func(m Image) bool { return m.Tags[0] == f[1] })
	case "network": // NAME [PROJECT]: made by hand, or by another project
		w.state.Networks = append(w.state.Networks, Network{ID: "byhand", Name: f[1], Labels: byHand(f[2:])})
	case "volume": // NAME [PROJECT]
		w.state.Volumes = append(w.state.Volumes, Volume{Name: f[1], Driver: "local", Labels: byHand(f[2:])})
	case "files": // NAME VOLUME: its configs and secrets are in that volume; - NAME is a container that is gone
		w.state.Volumes = append(w.state.Volumes, Volume{Name: f[2], Labels: map[string]string{LabelProject: "shop", LabelFiles: "true"}})
		if f[1] != "-" {
			need().Mounts = append(need().Mounts, Mount{Type: "bind", Source: "/volumes/" + f[2] + "/_data/0", Target: "/run/secrets/a"})
		}
	case "nonetwork": // NAME: removed by force
		w.state.Networks = remove(w.state.Networks, func(n Network) bool { return n.Name == f[1] })
	case "novolume": // NAME
		w.state.Volumes = remove(w.state.Volumes, func(v Volume) bool { return v.Name == f[1] })
	case "compose": // NAME [otherhash]: docker compose made it
		s.foreign(need().Labels, len(f) > 2)
		if len(f) == 2 {
			s.rehash(t, c)
		}
	case "composenetwork": // NAME [otherhash]
		for _, n := range w.state.Networks {
			if n.Name == f[1] {
				s.foreign(n.Labels, len(f) > 2)
			}
		}
	case "service": // NAME FIELD [VALUE]: somebody changed it
		w.happenTo(t, f)
	case "object": // KIND NAME CONTENT [PROJECT]: made by hand, or by another tool
		w.state.Objects = append(w.state.Objects, Object{Kind: Kind(f[1]), Name: f[2], Digest: digestOf(f[1], f[3]), Labels: byHand(f[4:])})
	case "label": // NAME KEY [VALUE]
		need().Labels[f[2]] = strings.Join(f[3:], " ")
	case "oneoff": // NAME SERVICE
		w.state.Containers = append(w.state.Containers, Container{ID: "oneoff", Name: f[1], Service: f[2], OneOff: true, Status: Running,
			Labels: map[string]string{LabelProject: "shop", LabelService: f[2], LabelOneOff: "True"}, Endpoints: []Endpoint{{Network: "shop_default"}}})
	case "run": // FILE STEPS: a run to FILE is cut after so many steps
		n, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		s.bringUp(t, f[1], n)
	default:
		t.Fatalf("have: what is %q?", f[0])
	}
}

func byHand(owner []string) map[string]string {
	if len(owner) == 0 {
		return map[string]string{}
	}
	return map[string]string{LabelProject: owner[0]}
}

// rehash gives a container the hash that docker compose computes once the containers exist that it is joined to.
func (s *story) rehash(t *testing.T, c *Container) {
	t.Helper()
	spec := s.load(t, "before.yaml", nil).Services[c.Service]
	hashes, err := project.ServiceHashes(resolved(spec, func(name string) string { return s.world.container("shop-" + name + "-1").ID }))
	if err != nil {
		t.Fatal(err)
	}
	c.Labels[LabelConfigHash] = hashes[len(hashes)-1]
}

// foreign turns labels into those that docker compose writes.
func (s *story) foreign(labels map[string]string, otherHash bool) {
	for k := range labels {
		if strings.HasPrefix(k, "dev.muster.") {
			delete(labels, k)
		}
	}
	if otherHash {
		labels[LabelConfigHash] = "0123456789abcdef"
	}
}

func (s *story) policy(t *testing.T) Policy {
	t.Helper()
	h := s.how
	p := Policy{
		Services: h.Services, NoDeps: h.NoDeps, AlwaysRecreateDeps: h.AlwaysRecreateDeps, RenewAnonVolumes: h.Renew, Scale: h.Scale,
		RemoveOrphans: h.Orphans == "remove", IgnoreOrphans: h.Orphans == "ignore",
		MigrateVolumes: h.Migrate, Restore: h.Restore, Thorough: !h.Quick, IgnoreDrift: h.NoDrift, NoStart: h.NoStart, Wait: h.Wait, Build: h.Build, NoBuild: h.NoBuild, Pull: h.Pull, Resolve: h.Resolve, Now: h.Now, Volumes: h.Volumes, Images: h.Images, Inputs: h.Inputs,
	}
	if len(h.Only) > 0 {
		p.Services = h.Only
	}
	switch h.Recreate {
	case "always":
		p.Recreate = RecreateAlways
	case "never":
		p.Recreate = RecreateNever
	}
	if h.Timeout != "" {
		d, err := time.ParseDuration(h.Timeout)
		if err != nil {
			t.Fatal(err)
		}
		p.Timeout = &d
	}
	return p
}

func (s *story) plan(t *testing.T, w *world) (Plan, error) {
	t.Helper()
	var want *project.Project
	if !s.how.NoFile {
		want = s.load(t, "compose.yaml", s.how.Only)
	}
	verbs := map[string]func(*project.Project, State, Policy) (Plan, error){
		"": Build, "up": Build, "images": Images, "preview": Preview, "down": Teardown, "start": Start, "stop": Stop, "restart": Restarts,
		"run": s.runOnce, "pause": Pause, "unpause": Unpause,
		"pull": func(want *project.Project, have State, how Policy) (Plan, error) {
			return Pulls(want, have, how, false)
		},
		"build": func(want *project.Project, have State, how Policy) (Plan, error) {
			return Builds(want, have, how, true)
		},
	}
	verb := verbs[s.how.Command]
	if verb == nil {
		t.Fatalf("how: no command %q", s.how.Command)
	}
	have := w.state
	if want != nil {
		have = w.inspected(Unsure(want, have, s.policy(t)))
	}
	return verb(want, have, s.policy(t))
}

// runOnce is what run plans, for the first service of how.
func (s *story) runOnce(want *project.Project, have State, how Policy) (Plan, error) {
	service := want.Services[how.Services[0]]
	if len(s.how.Run) > 0 {
		service.Command = s.how.Run
	}
	service.Ports = nil
	return RunOnce(want, have, how, Once{
		Service: service, Name: "shop-" + service.Name + "-run-0123456789ab", Slug: "0123", Aliases: s.how.Aliases, Remove: s.how.Remove,
	})
}

// check runs the plan, cut at every step, and each time once more to the end: whatever the story, the
// plan must be possible in its order, the second plan must finish it, the third be empty, and no temporary name stay.
func (s *story) check(t *testing.T, plan Plan) {
	t.Helper()
	if s.how.Command != "" && s.how.Command != "up" {
		if err := s.world.copy().run(plan.Steps); err != nil && s.how.Command != "images" && s.how.Command != "preview" {
			t.Errorf("the plan cannot be run: %v", err)
		}
		return
	}
	for cut := 0; cut <= len(plan.Steps); cut++ {
		w := s.world.copy()
		if err := w.run(plan.Steps[:cut]); err != nil {
			t.Errorf("the plan cannot be run: %v", err)
			return
		}
		if s.how.Recreate == "always" || s.how.Renew || s.how.AlwaysRecreateDeps || s.how.Restore != nil {
			continue
		}
		second, err := s.plan(t, w)
		if err != nil {
			t.Errorf("cut after %d: %v", cut, err)
			return
		}
		if cut == len(plan.Steps) && !onlyAsks(second) {
			t.Errorf("there is a second plan:\n%s", second.StepsText(TextOptions{}))
			return
		}
		if err := w.run(second.Steps); err != nil {
			t.Errorf("cut after %d: the second plan cannot be run: %v\n%s", cut, err, second.StepsText(TextOptions{}))
			return
		}
		third, err := s.plan(t, w)
		if err != nil || !onlyAsks(third) {
			t.Errorf("cut after %d: a third plan: %v\n%s\nsecond was\n%s", cut, err, third.StepsText(TextOptions{}), second.StepsText(TextOptions{}))
			return
		}
		for name, data := range s.world.data {
			if w.data[name] != data {
				t.Errorf("cut after %d: volume %s has %q, and had %q", cut, name, w.data[name], data)
			}
		}
		for _, c := range w.state.Containers {
			if strings.HasSuffix(c.Name, successorSuffix) {
				t.Errorf("cut after %d: %s keeps its temporary name", cut, c.Name)
			}
		}
	}
}

// Errors of a plan name each problem and its hint, and can be taken apart.
func TestErrorsCanBeTakenApart(t *testing.T) {
	err := error(Errors{{Problem: "a", Advice: "b"}, {Problem: "c"}})
	var one *Error
	if !errors.As(err, &one) || one.Hint() != "b" {
		t.Errorf("got %v", one)
	}
	if got, want := err.Error(), "a\n  b\nc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// onlyAsks says whether a plan does nothing but ask again what only asking tells: what x-muster.ready says.
func onlyAsks(p Plan) bool {
	for _, s := range p.Steps {
		if a, ok := s.Action.(Await); !ok || a.Ready == nil {
			return false
		}
	}
	return true
}
