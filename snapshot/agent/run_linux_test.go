package agent

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

var then = time.Unix(1_600_000_000, 123_000_000)

// packed is a packed archive with these entries.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	pack, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(pack)
	for _, e := range entries {
		text := e.Uname // for what is in it
		e.Uname, e.Size, e.ModTime, e.Uid, e.Gid, e.Format = "", int64(len(text)), then, os.Getuid(), os.Getgid(), tar.FormatPAX
		if err := w.WriteHeader(&e); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// volumes is a folder that has volumes, without anything in them.
func volumes(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name, content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(dir, volume string, archive []byte, more string) (string, error) {
	spec := Spec{Volumes: dir, Volume: volume, Size: int64(len(archive)), Sum: sumOf(archive)}
	return runSpec(spec, io.MultiReader(bytes.NewReader(archive), strings.NewReader(more)))
}

func runSpec(spec Spec, in io.Reader) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = Run(io.MultiReader(bytes.NewReader(append(text, '\n')), in), &out)
	return out.String(), err
}

func sumOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// listed says what a folder has, the folder itself first.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		is, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := fmt.Sprintf("%s %s", name, is.Mode())
		switch {
		case is.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			line += " to " + to
		case is.Mode().IsRegular():
			line += fmt.Sprintf(" %d bytes, %d links", is.Size(), is.Sys().(*syscall.Stat_t).Nlink)
		}
		if !is.ModTime().Equal(then) {
			line += " of " + is.ModTime().String()
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What an archive has is there afterwards, with its modes, times and links.
func TestFill(t *testing.T) {
	dir := volumes(t, "data")
	said, err := run(dir, "data", packed(t,
		tar.Header{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o750},
		tar.Header{Name: "volume/sub/", Typeflag: tar.TypeDir, Mode: 0o1777},
		tar.Header{Name: "volume/sub/file", Typeflag: tar.TypeReg, Mode: 0o640, Uname: "hello"},
		tar.Header{Name: "volume/hard", Typeflag: tar.TypeLink, Linkname: "volume/sub/file"},
		tar.Header{Name: "volume/soft", Typeflag: tar.TypeSymlink, Linkname: "/nowhere/else", Mode: 0o777},
		tar.Header{Name: "volume/pipe", Typeflag: tar.TypeFifo, Mode: 0o600},
		tar.Header{Name: "volume/setuid", Typeflag: tar.TypeReg, Mode: 0o4755},
		tar.Header{Name: "volume/closed/", Typeflag: tar.TypeDir, Mode: 0o500},
		tar.Header{Name: "volume/closed/large", Typeflag: tar.TypeReg, Mode: 0o400, Uname: strings.Repeat("x", small+1)},
		tar.Header{Name: "volume/.wh.file", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "not a whiteout"},
	), "")
	if err != nil || said != "began\nfilled\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	want := []string{
		". drwxr-x---", ".wh.file -rw------- 14 bytes, 1 links", "closed dr-x------", "closed/large -r-------- 1048577 bytes, 1 links",
		"hard -rw-r----- 5 bytes, 2 links", "pipe prw-------", "setuid urwxr-xr-x 0 bytes, 1 links", "soft Lrwxrwxrwx to /nowhere/else",
		"sub dtrwxrwxrwx", "sub/file -rw-r----- 5 bytes, 2 links",
	}
	if d := cmp.Diff(want, listed(t, filepath.Join(dir, "data", content))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// An archive that the agent sees is not on its input. How much of it is read is said.
func TestFillFromFile(t *testing.T) {
	noise := make([]byte, tellEach+1)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	archive := packed(t, tar.Header{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o750},
		tar.Header{Name: "volume/file", Typeflag: tar.TypeReg, Mode: 0o600, Uname: string(noise)})
	dir := volumes(t, "data", "other", "moved")
	file := filepath.Join(dir, "archive")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Volumes: dir, Volume: "data", Size: int64(len(archive)), Sum: sumOf(archive), File: file}
	said, err := runSpec(spec, strings.NewReader(MoveTo+"moved\n"))
	before, filled, _ := strings.Cut(strings.TrimPrefix(said, "began\n"), "\n")
	if read, is := strings.CutPrefix(before, Read+" "); err != nil || !is || len(read) != len("16777216") || filled != "filled\nmoved\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	want := []string{". drwxr-x---", "file -rw------- 16777217 bytes, 1 links"}
	if d := cmp.Diff(want, listed(t, filepath.Join(dir, "moved", content))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	spec.Volume, spec.Sum = "other", sumOf([]byte("another"))
	if said, err := runSpec(spec, strings.NewReader(MoveTo+"moved\n")); err == nil || strings.Contains(said, Filled) {
		t.Errorf("with another digest it says %q, %v", said, err)
	}
	if has, err := os.ReadDir(filepath.Join(dir, "other", content)); err != nil || len(has) > 0 {
		t.Errorf("with another digest it leaves %v, %v", has, err)
	}
}

// What is in the midst of it when nobody waits any more is given up, and leaves nothing.
func TestFillIsLeft(t *testing.T) {
	archive := packed(t, tar.Header{Name: "volume/file", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "text"})
	dir := volumes(t, "data")
	all, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	var left atomic.Bool
	in := iotest.OneByteReader(io.MultiReader(bytes.NewReader(archive[:len(archive)-1]), readerFunc(func(p []byte) (int, error) {
		left.Store(true)
		return copy(p, archive[len(archive)-1:]), io.EOF
	})))
	spec := Spec{Volumes: dir, Volume: "data", Size: int64(len(archive)) + 1, Sum: sumOf(archive)}
	if err := fill(all, spec, bufio.NewReader(in), &left, io.Discard); !errors.Is(err, errLeft) {
		t.Error(err)
	}
	if has, err := os.ReadDir(filepath.Join(dir, "data", content)); err != nil || len(has) > 0 {
		t.Errorf("it leaves %v, %v", has, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Whatever an archive says, nothing is written beside the volume, and one that is cut or changed is an error.
func TestFillWithSomethingElse(t *testing.T) {
	whole := packed(t, tar.Header{Name: "volume/file", Typeflag: tar.TypeReg, Mode: 0o600, Uname: strings.Repeat("text ", 1000)})
	changed := bytes.Clone(whole)
	changed[len(changed)-6] ^= 1
	for name, archive := range map[string][]byte{
		"through a link": packed(t, tar.Header{Name: "volume/out", Typeflag: tar.TypeSymlink, Linkname: "../../other/_data"},
			tar.Header{Name: "volume/out/file", Typeflag: tar.TypeReg, Mode: 0o600}),
		"a link to what is outside": packed(t, tar.Header{Name: "volume/out", Typeflag: tar.TypeSymlink, Linkname: "../../other/_data"},
			tar.Header{Name: "volume/got", Typeflag: tar.TypeLink, Linkname: "volume/out/secret"}),
		"cut":            whole[:len(whole)-7],
		"changed":        changed,
		"something else": []byte("hello"),
	} {
		dir := volumes(t, "data", "other")
		if err := os.WriteFile(filepath.Join(dir, "other", content, "secret"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := run(dir, "data", archive, ""); err == nil || said != "began\n" {
			t.Errorf("%s: it says %q, %v", name, said, err)
		}
		if has, err := os.ReadDir(filepath.Join(dir, "other", content)); err != nil || len(has) != 1 {
			t.Errorf("%s: the other volume has %v, %v", name, has, err)
		}
	}
	dir := volumes(t, "data", "other")
	if _, err := run(dir, "data", packed(t, tar.Header{Name: "volume/../../other/file", Typeflag: tar.TypeReg, Mode: 0o600}), ""); err != nil {
		t.Error(err)
	}
	if has, err := os.ReadDir(filepath.Join(dir, "other", content)); err != nil || len(has) > 0 {
		t.Errorf("the other volume has %v, %v", has, err)
	}
}

// Data that is moved takes the place of what is there with its owner and mode, and to move it again changes nothing.
func TestMove(t *testing.T) {
	dir := volumes(t, "copy", "data")
	if err := os.WriteFile(filepath.Join(dir, "data", content, "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	archive := packed(t, tar.Header{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o700}, tar.Header{Name: "volume/file", Typeflag: tar.TypeReg, Mode: 0o600})
	want := []string{". drwx------", "file -rw------- 0 bytes, 1 links"}
	for i, archive := range [][]byte{archive, nil} {
		said, err := run(dir, "copy", archive, MoveTo+"data\n")
		if err != nil || strings.TrimPrefix(said, "began\n") != "filled\nmoved\n" {
			t.Errorf("it says %q, %v", said, err)
		}
		if d := cmp.Diff(want, listed(t, filepath.Join(dir, "data", content))); d != "" {
			t.Errorf("move %d (-want +got):\n%s", i+1, d)
		}
		if has, err := os.ReadDir(filepath.Join(dir, "data")); err != nil || len(has) != 1 {
			t.Errorf("move %d: beside it: %v, %v", i+1, has, err)
		}
	}
	if aside, err := filepath.Glob(filepath.Join(dir, "copy", moving+"*")); err != nil || len(aside) != 1 {
		t.Errorf("set aside: %v, %v", aside, err)
	} else if has, err := os.ReadDir(aside[0]); err != nil || len(has) > 0 {
		t.Errorf("set aside: %v, %v", has, err)
	}
	if has, err := os.ReadDir(filepath.Join(dir, "copy", content)); err != nil || len(has) > 0 {
		t.Errorf("left: %v, %v", has, err)
	}
}

// What a volume had before stays until nobody waits any more, and may be removed by another agent, with what was left by one that was killed.
func TestServeLeavesTheRest(t *testing.T) {
	dir := volumes(t, "copy", "data")
	for name, text := range map[string]string{"copy": "new", "data": "old"} {
		if err := os.WriteFile(filepath.Join(dir, name, content, "text"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "data", old+"killed", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Spec{Volumes: dir, Volume: "copy"})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := Serve(strings.NewReader(string(text)+"\n"+MoveTo+"data\n"), io.Discard)
	if err != nil || rest == nil {
		t.Fatal(rest, err)
	}
	had, err := filepath.Glob(filepath.Join(dir, "data", old+"*", "text"))
	if err != nil || len(had) != 1 {
		t.Fatal(had, err)
	}
	if text, err := os.ReadFile(had[0]); string(text) != "old" {
		t.Errorf("it had %q, %v", text, err)
	}
	for range 2 {
		if said, err := runSpec(*rest, strings.NewReader("")); err != nil || said != "" {
			t.Errorf("it says %q, %v", said, err)
		}
		if has, err := os.ReadDir(filepath.Join(dir, "data")); err != nil || len(has) != 1 {
			t.Errorf("left: %v, %v", has, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "data", content, "text")); string(text) != "new" {
		t.Errorf("the volume has %q, %v", text, err)
	}
	rest.Volume = "nothing"
	if err := rest.Clear(); err != nil {
		t.Errorf("a volume that an engine has removed: %v", err)
	}
}

// A move that was cut off is carried on from wherever it was.
func TestMoveIsCarriedOn(t *testing.T) {
	for cut, after := range []string{"the copy was set aside", "the exchange"} {
		dir := volumes(t, "copy", "data")
		for name, text := range map[string]string{"copy": "new", "data": "old"} {
			if err := os.WriteFile(filepath.Join(dir, name, content, "text"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		copied, data := filepath.Join(dir, "copy"), filepath.Join(dir, "data", content)
		is, err := os.Stat(filepath.Join(copied, content))
		if err != nil {
			t.Fatal(err)
		}
		steps := [][2]string{{filepath.Join(copied, content), filepath.Join(copied, moving+number(is))}}
		if cut > 0 {
			steps = append(steps, [2]string{data, data + ".old"}, [2]string{steps[0][1], data}, [2]string{data + ".old", steps[0][1]})
		}
		for _, step := range steps {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if said, err := run(dir, "copy", nil, MoveTo+"data\n"); err != nil {
				t.Fatalf("cut after %s: it says %q, %v", after, said, err)
			}
			if text, err := os.ReadFile(filepath.Join(data, "text")); string(text) != "new" {
				t.Errorf("cut after %s: the volume has %q, %v", after, text, err)
			}
			if has, err := os.ReadDir(filepath.Join(copied, content)); err != nil || len(has) > 0 {
				t.Errorf("cut after %s: left: %v, %v", after, has, err)
			}
		}
	}
}

// An empty folder is moved, too, as often as one wants: what counts is its mode.
func TestMoveNothing(t *testing.T) {
	dir := volumes(t, "copy", "data")
	for _, archive := range [][]byte{packed(t, tar.Header{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o711}), nil} {
		if _, err := run(dir, "copy", archive, MoveTo+"data\n"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{". drwx--x--x"}, listed(t, filepath.Join(dir, "data", content))); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestMoveIsRefused(t *testing.T) {
	dir := volumes(t, "copy")
	for _, more := range []string{MoveTo + "data\n", MoveTo + "../copy\n", "hello\n"} {
		if said, err := run(dir, "copy", nil, more); err == nil {
			t.Errorf("%q: it says %q", more, said)
		}
	}
}
