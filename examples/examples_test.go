// Package examples holds stacks that run as they are. Its tests hold each
// plan against the golden one, and, with MUSTER_TEST_ENGINE set, use the
// stacks over the network as their README says.
package examples

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// TestMain builds what the engine tests run: muster, found by PATH, and the
// program that shop's image is made of.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(prepareAndRun(m))
}

func prepareAndRun(m *testing.M) int {
	if os.Getenv("MUSTER_TEST_ENGINE") == "" && os.Getenv("MUSTER_TEST_SWARM") == "" {
		return m.Run()
	}
	bin, err := os.MkdirTemp("", "muster-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	for _, err := range []error{
		goBuild("..", "./cmd/muster", filepath.Join(bin, "muster")),
		goBuild(filepath.Join("shop", "web"), ".", filepath.Join("dist", "web")),
		os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")),
	} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// TestGoldenPlans: what plan says of each example where nothing runs yet.
func TestGoldenPlans(t *testing.T) {
	files, err := filepath.Glob("*/compose.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			// Without the .env that hack/demo leaves.
			want, err := project.Load(t.Context(), project.Options{Cwd: dir, Environ: []string{"COMPOSE_DISABLE_ENV_FILE=1"}})
			if err != nil {
				t.Fatal(err)
			}
			for _, warning := range want.Warnings {
				t.Errorf("an example should have no warning: %+v", warning)
			}
			plan, err := planner.Build(want, planner.State{}, planner.Policy{})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(dir, "plan.golden")
			got := plan.Text(planner.TextOptions{})
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			blessed, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; write it with go test ./examples -update", err)
			}
			if diff := cmp.Diff(string(blessed), got); diff != "" {
				t.Errorf("%s differs (- golden, + now); go test ./examples -update writes it anew:\n%s", golden, diff)
			}
		})
	}
}
