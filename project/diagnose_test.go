package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"
)

// What is left of files that have nothing wrong, and so nothing cut, means the same: what it would mean otherwise would be told as
// mistakes that nobody made.
func TestLeftMeansTheSame(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "stories", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, file := range files {
		archive, dir := unpackStory(t, file)
		if section(archive, "want-errors") != "" {
			continue
		}
		good++
		load := func() string {
			p, err := Load(t.Context(), storyOptions(t, dir, string(archive.Comment)))
			if err != nil {
				return err.Error()
			}
			model, err := json.Marshal([]any{p.Services, p.Inactive, p.Networks, p.Volumes, p.Configs, p.Secrets})
			if err != nil {
				t.Fatal(err)
			}
			return string(model)
		}
		want := load()
		l, err := begin(t.Context(), storyOptions(t, dir, string(archive.Comment)))
		if err != nil {
			t.Fatal(err)
		}
		d := &diagnosis{l: l, cut: cuts{}, nodes: map[*yaml.Node]bool{}, forms: newPattern(formTable())}
		docs, ok := d.left(false)
		if !ok {
			t.Errorf("%s: nothing is left", file)
		}
		for _, doc := range docs {
			if doc.file == "-" {
				continue
			}
			if err := os.WriteFile(doc.file, doc.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := load(); got != want {
			t.Errorf("%s: what is left means\n%s\nand not\n%s", file, got, want)
		}
	}
	if good < 10 {
		t.Errorf("%d stories without mistakes", good)
	}
}
