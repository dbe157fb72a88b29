package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzLoad feeds anything as a Compose file: the answer is a project or errors that name the
// file, in bounded time, and never a crash.
func FuzzLoad(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p, err := Load(ctx, Options{Files: []string{"-"}, Stdin: strings.NewReader(string(file)), Cwd: dir, Environ: []string{"A=1"}, TolerateMissing: true})
		if err == nil {
			if _, err := p.Hashes(); err != nil {
				t.Errorf("hashes: %v", err)
			}
			if _, err := p.Marshal("yaml"); err != nil {
				t.Errorf("marshal: %v", err)
			}
			p.StartOrder()
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("error of type %T: %v", err, err)
		}
		for _, e := range errs {
			if e.Problem == "" {
				t.Errorf("error without a problem: %+v", e)
			}
			if strings.Contains(e.Problem, "crashed") {
				t.Errorf("compose-go crashed: %v", e)
			}
		}
	})
}

func seeds(tb testing.TB) [][]byte {
	var out [][]byte
	for _, glob := range []string{"testdata/peer/*.yaml", "testdata/stories/*.txtar", "testdata/wrong/*.txtar"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			tb.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			text := string(data)
			if _, after, ok := strings.Cut(text, "-- compose.yaml --\n"); ok {
				text, _, _ = strings.Cut(after, "\n-- ")
			}
			out = append(out, []byte(text))
		}
	}
	out = append(out, bomb())
	return out
}

// bomb is a file of a few hundred bytes that stands for billions of values.
func bomb() []byte {
	var b strings.Builder
	b.WriteString("x-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "x-a%d: &a%d [", i, i)
		b.WriteString(strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
		b.WriteString("]\n")
	}
	b.WriteString("services: {web: {image: x}}\n")
	return []byte(b.String())
}

// TestBomb wants an anchors bomb refused soon, and in words.
func TestBomb(t *testing.T) {
	begin := time.Now()
	_, err := Load(t.Context(), Options{Files: []string{"-"}, Stdin: strings.NewReader(string(bomb())), Cwd: t.TempDir(), Environ: []string{}})
	if err == nil || !strings.Contains(err.Error(), "aliases") {
		t.Errorf("bomb: %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("refusing took %s", took)
	}
}

func TestLargeFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "compose.yaml")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxFile + 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), Options{Files: []string{file}, Environ: []string{}})
	if err == nil || !strings.Contains(err.Error(), "is larger than 32 MiB") {
		t.Errorf("large file: %v", err)
	}
}

func manyServices(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d:\n    image: nginx:${TAG:-1}\n    environment: {A: \"1\", B: \"${B}\"}\n    ports: [\"%d:80\"]\n", i, 10000+i)
		fmt.Fprintf(&b, "    volumes: [\"./d:/d\", \"v:/v\"]\n    restart: always\n    healthcheck: {test: [CMD, x], interval: 5s}\n    mem_limit: 64m\n")
		if i > 0 {
			fmt.Fprintf(&b, "    depends_on: {s%d: {condition: service_healthy}}\n", i-1)
		}
	}
	b.WriteString("volumes: {v: }\n")
	return b.String()
}
