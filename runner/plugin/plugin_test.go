package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// made is an engine that only notes what it is given.
type made struct {
	runner.Engine
	actions []planner.Action
}

func (m *made) Apply(_ context.Context, a planner.Action, _ func(runner.Progress)) error {
	m.actions = append(m.actions, a)
	return nil
}

// rig has programs of the given names in its PATH; each notes its arguments in the file calls.
func rig(t *testing.T, programs map[string]string) (*Engine, *made, func() string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	dir := t.TempDir()
	for name, script := range programs {
		text := "#!/bin/sh\necho \"" + name + " $*\" >>" + dir + "/calls\n" + script
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	on := &made{}
	e := Wrap(on, Options{Environ: []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir, "COLOUR=blue"}, Dir: dir})
	return e, on, func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return string(text)
	}
}

// environment is that of the only container that was made.
func environment(t *testing.T, m *made) map[string]string {
	t.Helper()
	if len(m.actions) != 1 {
		t.Fatalf("made %v", m.actions)
	}
	out := map[string]string{}
	for k, v := range m.actions[0].(planner.CreateContainer).Spec.Environment {
		out[k] = *v
	}
	return out
}

const cloud = `
[ "$2" = metadata ] && exit 1
echo '{"type":"info","message":"working"}'
echo '{"type":"debug","message":"hush"}'
echo '{"type":"setenv","message":"URL=https://x?a=b"}'
echo '{"type":"rawsetenv","message":"REGION='$COLOUR'"}'
`

func TestProviderGivesVariables(t *testing.T) {
	e, on, calls := rig(t, map[string]string{"cloud": cloud})
	var said []string
	err := e.Apply(t.Context(), planner.RunProvider{Project: "shop", Service: "my-db", Type: "cloud",
		Options: map[string][]string{"size": {"a", "b"}, "engine": {"postgres"}}}, func(p runner.Progress) { said = append(said, p.Text) })
	if err != nil {
		t.Fatal(err)
	}
	if want := "cloud compose metadata\ncloud compose --project-name=shop up --engine=postgres --size=a --size=b my-db\n"; calls() != want {
		t.Errorf("called %q", calls())
	}
	if diff := cmp.Diff([]string{"working"}, said); diff != "" {
		t.Error(diff)
	}
	own := "own"
	declared := project.Environment{"REGION": &own, "KEPT": &own}
	create := planner.CreateContainer{Name: "web", Injections: []planner.Injection{{Source: "providers.my-db"}}}
	create.Spec.Environment = declared
	if err := e.Apply(t.Context(), create, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"MY_DB_URL": "https://x?a=b", "REGION": "blue", "KEPT": "own"}, environment(t, on)); diff != "" {
		t.Error(diff)
	}
	if *declared["REGION"] != "own" || len(declared) != 2 {
		t.Error("the plan's own environment was changed")
	}
}

// A docker plugin goes before a program of the bare name, and what it says of itself bounds what it is given.
func TestProviderThatDescribesItself(t *testing.T) {
	about := `[ "$2" = metadata ] && { echo '{"up":{"parameters":[{"name":"size","required":true}]},"down":{"parameters":[]}}'; exit; }; exit 0`
	e, _, calls := rig(t, map[string]string{"docker-cloud": about, "cloud": "exit 9"})
	options := map[string][]string{"size": {"1"}, "mine": {"x"}}
	for _, a := range []planner.Action{
		planner.RunProvider{Project: "shop", Service: "db", Type: "cloud", Options: options},
		planner.StopProvider{Project: "shop", Service: "db", Type: "cloud", Options: options},
	} {
		if err := e.Apply(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := "docker-cloud compose metadata\ndocker-cloud compose --project-name=shop up --size=1 db\n" +
		"docker-cloud compose metadata\ndocker-cloud compose --project-name=shop down db\n"
	if calls() != want {
		t.Errorf("called %q", calls())
	}
	err := e.Apply(t.Context(), planner.RunProvider{Project: "shop", Service: "db", Type: "cloud"}, nil)
	if err == nil || err.Error() != "db: its provider needs the option size" {
		t.Errorf("%v", err)
	}
}

// A provider that asks is told what the file says of its service; what it sets goes over the file's, with a word about it.
func TestProviderAsksForItsService(t *testing.T) {
	e, on, _ := rig(t, map[string]string{"cloud": `[ "$2" = metadata ] && exit 1
echo '{"type":"get-service-config"}'
read -r answer
echo "{\"type\":\"rawsetenv\",\"message\":\"SIZE=$(echo "$answer" | sed 's/.*"size":\["\([a-z]*\)"\].*/\1/')\"}"
`})
	own := "own"
	run := planner.RunProvider{Project: "shop", Service: "db", Type: "cloud"}
	run.Spec.Provider = &project.Provider{Type: "cloud", Options: map[string][]string{"size": {"big"}}}
	create := planner.CreateContainer{Name: "web", Injections: []planner.Injection{{Source: "providers.db"}}}
	create.Spec.Environment = project.Environment{"SIZE": &own}
	var said []string
	for _, a := range []planner.Action{run, create} {
		if err := e.Apply(t.Context(), a, func(p runner.Progress) { said = append(said, p.Line) }); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"SIZE": "big"}, environment(t, on)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"SIZE is from providers.db, and not what the file or another one says"}, said); diff != "" {
		t.Error(diff)
	}
}

// A provider is asked to stop without giving up only where it says that it knows how.
func TestProviderStops(t *testing.T) {
	for about, want := range map[string]string{
		`[ "$2" = metadata ] && exit 1`:                                          "cloud compose metadata\n",
		`[ "$2" = metadata ] && { echo '{"up":{"parameters":[]}}'; exit; }`:      "cloud compose metadata\n",
		`[ "$2" = metadata ] && { echo '{"stop":{"parameters":[]}}'; exit; }; :`: "cloud compose metadata\ncloud compose --project-name=shop stop db\n",
	} {
		e, _, calls := rig(t, map[string]string{"cloud": about + "\n"})
		if err := e.Apply(t.Context(), planner.StopProvider{Project: "shop", Service: "db", Type: "cloud", Keep: true}, nil); err != nil {
			t.Error(err)
		}
		if calls() != want {
			t.Errorf("%s: called %q", about, calls())
		}
	}
}

func TestProviderFails(t *testing.T) {
	for name, c := range map[string]struct{ script, want, hint string }{
		"says so":    {`echo '{"type":"error","message":"no quota"}'; sleep 0; exit 1`, "db: provider cloud failed: no quota", "cloud compose --project-name=shop up db"},
		"exits":      {`echo oops >&2; exit 3`, "db: provider cloud failed: exit status 3: oops", "shows all that it says"},
		"babbles":    {`echo hello`, `db: provider cloud failed: it prints what is no message: "hello"`, "shows"},
		"nameless":   {`echo '{"type":"setenv","message":"=x"}'`, `db: provider cloud failed: it set a variable without a name: ""`, "shows"},
		"is missing": {"", `db: there is no program for provider "cloud": neither a docker plugin docker-cloud nor cloud in PATH`, "install it"},
	} {
		t.Run(name, func(t *testing.T) {
			programs := map[string]string{}
			if c.script != "" {
				programs["cloud"] = `[ "$2" = metadata ] && exit 1` + "\n" + c.script + "\n"
			}
			e, _, _ := rig(t, programs)
			err := e.Apply(t.Context(), planner.RunProvider{Project: "shop", Service: "db", Type: "cloud"}, nil)
			var hinter runner.Hinter
			if err == nil || err.Error() != c.want || !errors.As(err, &hinter) || !strings.Contains(hinter.Hint(), c.hint) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCancelledProviderEnds(t *testing.T) {
	e, _, _ := rig(t, map[string]string{"cloud": "[ \"$2\" = metadata ] && exit 1\nexec sleep 60\n"})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := e.Apply(ctx, planner.RunProvider{Project: "shop", Service: "db", Type: "cloud"}, nil); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

const modelRunner = `
case $1 in
ls) echo '[{"tags":["ai/there"]}]' ;;
status) echo '{"running":true,"endpoint":"http://models/v1"}' ;;
esac
`

func TestModelIsMadeReady(t *testing.T) {
	e, on, calls := rig(t, map[string]string{"docker-model": modelRunner})
	for _, a := range []planner.Action{
		planner.ConfigureModel{Key: "llm", Model: "ai/new", ContextSize: 4096, RuntimeFlags: []string{"--fast"}},
		planner.ConfigureModel{Key: "other", Model: "ai/there"},
		planner.CreateContainer{Name: "web", Injections: []planner.Injection{
			{Source: "models.llm", Model: "ai/new", ModelVar: "LLM_MODEL", URLVar: "LLM_URL"},
			{Source: "models.other", Model: "ai/there", ModelVar: "M", URLVar: "U"},
		}},
	} {
		if err := e.Apply(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := "docker-model ls --json\ndocker-model pull ai/new\ndocker-model configure --context-size 4096 ai/new -- --fast\ndocker-model status --json\n" +
		"docker-model ls --json\ndocker-model configure ai/there\ndocker-model status --json\n"
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"LLM_MODEL": "ai/new", "LLM_URL": "http://models/v1", "M": "ai/there", "U": "http://models/v1"}, environment(t, on)); diff != "" {
		t.Error(diff)
	}
}

func TestModelRunnerIsMissing(t *testing.T) {
	e, _, _ := rig(t, nil)
	err := e.Apply(t.Context(), planner.ConfigureModel{Key: "llm", Model: "ai/new"}, nil)
	var hinter runner.Hinter
	if err == nil || !strings.Contains(err.Error(), "there is no plugin docker-model") || !errors.As(err, &hinter) || hinter.Hint() == "" {
		t.Errorf("%v", err)
	}
}
