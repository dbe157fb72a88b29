package watch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project"
)

// What BuildKit would see counts, and nothing else.
func TestInputs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"web/Dockerfile": "FROM scratch", "web/main.go": "1", "web/sub/a": "1", "web/tmp/log": "1", "web/.dockerignore": "tmp\nDockerfile\n",
		"more/b": "1", "more/c": "1", "more/.dockerignore": "c\n",
	} {
		write(t, at(name), text)
	}
	must(t, os.Symlink("main.go", at("web/link")))
	must(t, os.Symlink("more", at("link-to-more")))
	value := "1"
	build := types.BuildConfig{
		Context: at("web"), Dockerfile: "Dockerfile", Args: types.MappingWithEquals{"A": &value}, Target: "x", NoCache: true, CacheFrom: []string{"x"},
		AdditionalContexts: types.Mapping{"more": at("link-to-more"), "far": "https://example.com/x.git#v1", "base": "service:base"},
	}
	read := func() map[string]string {
		t.Helper()
		in, err := Inputs(&project.Project{Name: "shop", WorkingDir: dir}, project.Service{Name: "web", WorkloadSpec: types.WorkloadSpec{Build: &build}})
		must(t, err)
		return in
	}
	first := read()
	var names []string
	for name := range first {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"build.additional_contexts.base", "build.additional_contexts.far", "build.args", "build.target", "link-to-more/.dockerignore", "link-to-more/b",
		"web/.dockerignore", "web/Dockerfile", "web/link", "web/main.go", "web/sub/", "web/sub/a",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got  %v\nwant %v", names, want)
	}
	for _, c := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"what is ignored", func() { write(t, at("web/tmp/log"), "2") }, nil},
		{"what is ignored in another context", func() { write(t, at("more/c"), "2") }, nil},
		{"a time", func() { must(t, os.Chtimes(at("web/main.go"), time.Unix(1, 0), time.Unix(1, 0))) }, nil},
		{"where to get a cache", func() { build.CacheFrom, build.NoCache = nil, false }, nil},
		{"content", func() { write(t, at("web/main.go"), "2") }, []string{"web/main.go"}},
		{"mode", func() { must(t, os.Chmod(at("web/sub/a"), 0o755)) }, []string{"web/sub/a"}},
		{"an ignored Dockerfile", func() { write(t, at("web/Dockerfile"), "FROM x") }, []string{"web/Dockerfile"}},
		{"a link", func() { must(t, os.Remove(at("web/link"))); must(t, os.Symlink("sub", at("web/link"))) }, []string{"web/link"}},
		{"an argument", func() { v := "2"; build.Args = types.MappingWithEquals{"A": &v} }, []string{"build.args"}},
		{"the target", func() { build.Target = "y" }, []string{"build.target"}},
		{"another context", func() { write(t, at("more/b"), "2") }, []string{"link-to-more/b"}},
		{"an address", func() { build.AdditionalContexts["far"] = "https://example.com/x.git#v2" }, []string{"build.additional_contexts.far"}},
		{"what is left out", func() { write(t, at("web/.dockerignore"), "Dockerfile\n") }, []string{"web/.dockerignore", "web/tmp/", "web/tmp/log"}},
	} {
		before := read()
		c.change()
		after := read()
		var changed []string
		for name := range after {
			if after[name] != before[name] {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, changed, c.want)
		}
	}
	build.Context = at("nowhere")
	if in := read(); in["web/main.go"] != "" {
		t.Errorf("a context that is not there: %v", in)
	}
}
