package project

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// perService measures something that is done with n services, and what it allocates for each.
func perService(b *testing.B, n int, do func()) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		do()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N*n), "allocs/service")
}

func benchmarkLoad(b *testing.B, remember bool) {
	for _, n := range []int{1, 20, 100, 300} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(manyServices(n)), 0o644); err != nil {
				b.Fatal(err)
			}
			o := Options{Cwd: dir, Environ: []string{"B=2"}}
			load := func() {
				if _, err := Load(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
			if remember {
				o.Environ = append(o.Environ, "XDG_CACHE_HOME="+dir)
				load()
			}
			perService(b, n, load)
		})
	}
}

// BenchmarkLoad is of files that nobody has loaded before.
func BenchmarkLoad(b *testing.B) { benchmarkLoad(b, false) }

// BenchmarkLoadRemembered is of files that have been loaded before.
func BenchmarkLoadRemembered(b *testing.B) { benchmarkLoad(b, true) }

// BenchmarkDigest is of what tells one service from another: its spec and its hashes.
func BenchmarkDigest(b *testing.B) {
	const n = 100
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(manyServices(n)), 0o644); err != nil {
		b.Fatal(err)
	}
	p, err := Load(b.Context(), Options{Cwd: dir, Environ: []string{"B=2"}})
	if err != nil {
		b.Fatal(err)
	}
	for name, do := range map[string]func(Service) error{
		"spec":   func(s Service) error { _, err := Spec(s); return err },
		"hash":   func(s Service) error { _, err := ServiceHash(s); return err },
		"hashes": func(s Service) error { _, err := ServiceHashes(s); return err },
	} {
		b.Run(name, func(b *testing.B) {
			perService(b, n, func() {
				for _, s := range p.Services {
					if err := do(s); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
