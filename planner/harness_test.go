package planner

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project"
)

func TestTry(t *testing.T) {
	text, err := os.ReadFile(os.Getenv("TRY"))
	if err != nil {
		t.Skip()
	}
	want := loadYAML(t, text)
	plan, err := Build(want, State{}, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + plan.Text(TextOptions{}) + "\n" + plan.StepsText(TextOptions{}))
}

func loadYAML(t *testing.T, text []byte) *project.Project {
	t.Helper()
	details := types.ConfigDetails{
		WorkingDir:  "/src/shop",
		ConfigFiles: []types.ConfigFile{{Filename: "/src/shop/compose.yaml", Content: text}},
		Environment: map[string]string{},
	}
	p, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName("shop", false)
		o.SkipConsistencyCheck = false
	})
	if err != nil {
		t.Fatal(err)
	}
	out := &project.Project{
		Name: p.Name, WorkingDir: "/src/shop", Files: []string{filepath.Join("/src/shop", "compose.yaml")},
		Services: p.Services, Inactive: p.DisabledServices, Networks: p.Networks, Volumes: p.Volumes, Configs: p.Configs, Secrets: p.Secrets,
		Content: map[string]string{}, Environment: p.Environment,
	}
	return out
}
