package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/snapshot"
)

// writerOf, in the environment of this test's program, makes it begin a snapshot in that folder and wait until its input ends.
const writerOf = "MUSTER_TEST_WRITER_OF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerOf); dir != "" {
		w, err := snapshot.Folder(dir).Create(snapshot.Snapshot{Name: "half"})
		if err == nil {
			err = w.Volume("data", func(to io.Writer) error { _, err := io.WriteString(to, "half"); return err })
		}
		fmt.Println("begun:", err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

var at = time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)

func make1(t *testing.T, f snapshot.Folder, name, text string) snapshot.Snapshot {
	t.Helper()
	w, err := f.Create(snapshot.Snapshot{Name: name, Stack: "shop", Project: "shop", Taken: at})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, key := range []string{"orders", "counts"} {
		if err := w.Volume(key, func(to io.Writer) error { _, err := io.WriteString(to, key+" "+text); return err }); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.Commit(true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func contents(t *testing.T, f snapshot.Folder, s snapshot.Snapshot) string {
	t.Helper()
	var out []string
	for _, v := range s.Volumes {
		a, err := snapshot.Open(f.File(s.Name, v.Key), v.Sum)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(a)
		if err := errors.Join(err, a.Close()); err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return strings.Join(out, "; ")
}

func TestKeepAndExport(t *testing.T) {
	f := snapshot.Folder(filepath.Join(t.TempDir(), "shop"))
	long := strings.Repeat("x", 1<<20)
	s := make1(t, f, "seeded", long)
	if s.Size() < 2<<20 || s.Stored() > 10000 || len(s.Volumes) != 2 || s.Volumes[0].Key != "counts" {
		t.Errorf("%+v", s)
	}
	if got := contents(t, f, s); got != "counts "+long+"; orders "+long {
		t.Errorf("%.100q", got)
	}
	var file bytes.Buffer
	if err := f.Export("seeded", &file); err != nil {
		t.Fatal(err)
	}
	other := snapshot.Folder(filepath.Join(t.TempDir(), "elsewhere"))
	back, err := other.Import(bytes.NewReader(file.Bytes()), "monday", false)
	if err != nil || back.Name != "monday" || !back.Taken.Equal(at) || contents(t, other, back) != contents(t, f, s) {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := other.Import(bytes.NewReader(file.Bytes()), "monday", false); !errors.As(err, new(snapshot.ExistsError)) {
		t.Errorf("twice: %v", err)
	}
	// One that was cut or changed on its way is not taken over.
	for _, c := range []struct {
		what string
		file []byte
	}{
		{"cut", file.Bytes()[:file.Len()-4096]},
		{"changed", bytes.Replace(file.Bytes(), []byte{0x28, 0xb5, 0x2f, 0xfd}, []byte{0x28, 0xb5, 0x2f, 0xfe}, 1)},
		{"something else", []byte("hello")},
	} {
		if _, err := other.Import(bytes.NewReader(c.file), "tuesday", false); err == nil {
			t.Errorf("%s: it was taken over", c.what)
		}
	}
	if all, err := other.List(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestReplaceAndRemove(t *testing.T) {
	f := snapshot.Folder(t.TempDir())
	make1(t, f, "seeded", "one")
	s := make1(t, f, "seeded", "two")
	if got := contents(t, f, s); got != "counts two; orders two" {
		t.Error(got)
	}
	w, err := f.Create(snapshot.Snapshot{Name: "seeded"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(false); !errors.As(err, new(snapshot.ExistsError)) {
		t.Error(err)
	}
	w.Abort()
	if err := f.Remove("seedet"); err == nil || !strings.Contains(err.Error(), `no snapshot "seedet"`) {
		t.Error(err)
	}
	if err := f.Remove("seeded"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "../x", ".hidden", "a/b"} {
		if _, err := f.Create(snapshot.Snapshot{Name: name}); !errors.As(err, new(snapshot.NameError)) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if left, err := os.ReadDir(string(f)); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What does not have the digest any more, is cut or was changed, is an error to whoever reads it.
func TestDamaged(t *testing.T) {
	f := snapshot.Folder(t.TempDir())
	s := make1(t, f, "seeded", strings.Repeat("some text ", 1000))
	file := f.File("seeded", "orders")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{
		"cut":     whole[:len(whole)-3],
		"longer":  append(bytes.Clone(whole), 0),
		"changed": append(bytes.Clone(whole[:len(whole)-3]), 1, 2, 3),
		"empty":   nil,
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := snapshot.Open(file, s.Volumes[1].Sum)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(); !errors.As(err, new(snapshot.DamagedError)) {
			t.Errorf("%s: %v", what, err)
		}
		_ = a.Close()
		if err := f.Export("seeded", io.Discard); err == nil {
			t.Errorf("%s: exported", what)
		}
	}
}

// One that cannot be read hides no other, and can be removed.
func TestUnreadable(t *testing.T) {
	f := snapshot.Folder(t.TempDir())
	make1(t, f, "seeded", "one")
	make1(t, f, "broken", "two")
	if err := os.WriteFile(filepath.Join(string(f), "broken", "snapshot.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := f.List()
	var bad *snapshot.UnreadableError
	if len(all) != 1 || all[0].Name != "seeded" || !errors.As(err, &bad) || bad.Name != "broken" {
		t.Errorf("%v, %v", all, err)
	}
	if err := f.Remove("broken"); err != nil {
		t.Error(err)
	}
	if all, err := f.List(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// Who is killed while writing leaves nothing that is listed, and the next one clears it away. What is still being written stays.
func TestWriterIsKilled(t *testing.T) {
	dir := t.TempDir()
	f := snapshot.Folder(dir)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), writerOf+"="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("begun: <nil>"))
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "begun: <nil>" {
		t.Fatal(string(said), err)
	}
	make1(t, f, "seeded", "one")
	if left, _ := filepath.Glob(filepath.Join(dir, ".unfinished-*")); len(left) != 1 {
		t.Errorf("while it is written: %v", left)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if all, err := f.List(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	make1(t, f, "other", "two")
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
