package docker

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/project"
)

// What people run is the same to the engine too, whether docker compose makes it or muster. The images of the corpus cannot be
// pulled everywhere: for both a layer on top puts one and the same image in the place of all. And the files beside
// it that are not there are made.
//
// Some stacks share names of containers: one at a time.
func TestCorpusAsDockerCompose(t *testing.T) {
	peer, corpus, host := os.Getenv("MUSTER_PEER_COMPOSE"), os.Getenv("MUSTER_CORPUS"), os.Getenv("MUSTER_TEST_ENGINE")
	if peer == "" || corpus == "" || host == "" {
		t.Skip("wants MUSTER_PEER_COMPOSE to compare with, MUSTER_CORPUS with stacks, and a MUSTER_TEST_ENGINE")
	}
	stacks, made := corpusStacks(t, corpus), 0
	for _, files := range stacks {
		dir := filepath.Dir(files[0])
		t.Run(filepath.Base(dir)+" "+strings.Join(bases(files), "+"), func(t *testing.T) {
			r := openRig(t, host)
			s := copied(t, dir, bases(files)...)
			s.standIn(t, func(project.Service) bool { return true })
			made += r.comparePeer(peer, s)
		})
	}
	t.Logf("%d stacks, %d containers compared", len(stacks), made)
}

// corpusStacks are the files of each stack: each that stands alone, with each of its layers, and with all of them.
func corpusStacks(t *testing.T, corpus string) [][]string {
	t.Helper()
	var out [][]string
	for _, name := range []string{"compose.yaml", "docker-compose*.yml"} {
		found, err := filepath.Glob(filepath.Join(corpus, "*", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			layers, err := filepath.Glob(filepath.Join(filepath.Dir(file), "compose.*.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, []string{file})
			for _, layer := range layers {
				out = append(out, []string{file, layer})
			}
			if len(layers) > 1 {
				out = append(out, append([]string{file}, layers...))
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no stacks in %s", corpus)
	}
	return out
}

func bases(files []string) []string {
	var out []string
	for _, file := range files {
		out = append(out, filepath.Base(file))
	}
	return out
}

// copied is a stack in a folder of its own, where files can be added.
func copied(t *testing.T, from string, files ...string) stack {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return stack{dir: dir, name: filepath.Base(from), files: files}
}

// standIn adds a layer with one image, and nothing to build, for services whose own is not there.
func (s *stack) standIn(t *testing.T, missing func(project.Service) bool) {
	t.Helper()
	o := project.Options{Cwd: s.dir, Profiles: []string{"*"}, TolerateMissing: true}
	for _, file := range s.files {
		o.Files = append(o.Files, filepath.Join(s.dir, file))
	}
	p, err := project.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var layer strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if missing(p.Services[name]) {
			fmt.Fprintf(&layer, "  %s: {image: %q, build: !reset null}\n", name, busybox())
		}
	}
	if layer.Len() > 0 {
		writeFile(t, filepath.Join(s.dir, "stand-in.yaml"), []byte("services:\n"+layer.String()))
		s.files = append(s.files, "stand-in.yaml")
	}
	var files []string
	for _, c := range p.Configs {
		files = append(files, c.File)
	}
	for _, c := range p.Secrets {
		files = append(files, c.File)
	}
	for _, file := range files {
		if _, err := os.Stat(file); file != "" && os.IsNotExist(err) {
			writeFile(t, file, []byte("content"))
		}
	}
}
