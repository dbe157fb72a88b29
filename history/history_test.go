package history_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/history"
)

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "shop")
	f := history.Folder(dir)
	if all, err := f.All(); err != nil || len(all) > 0 {
		t.Fatalf("what is not there: %v, %v", all, err)
	}
	e := history.Entry{
		Number: 7, Project: "shop", Began: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), By: "ann@box", Result: history.Running,
		Changes: []string{"web: replace"}, Files: []string{"/shop/compose.yaml"}, Images: map[string]history.Image{"web": {Reference: "web:1", ID: "sha256:1"}},
	}
	if err := f.Put(e); err != nil {
		t.Fatal(err)
	}
	e.Result, e.Model = history.OK, "services: {}\n"
	if err := f.Put(e); err != nil {
		t.Fatal(err)
	}
	got, err := f.Get(7)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := f.Get(8); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// What is broken spoils nothing else, and old ones are forgotten.
	if err := os.WriteFile(filepath.Join(dir, "000008.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := f.All(); err != nil || len(all) != 1 {
		t.Errorf("%d entries, %v", len(all), err)
	}
	for n := 9; n < 70; n++ {
		if err := f.Put(history.Entry{Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	numbers, err := f.Numbers()
	if err != nil || len(numbers) != 50 || numbers[0] != 20 || numbers[49] != 69 {
		t.Errorf("numbers %v, %v", numbers, err)
	}
}

func TestBefore(t *testing.T) {
	ok := func(n, backTo int) history.Entry { return history.Entry{Number: n, Result: history.OK, BackTo: backTo} }
	bad := func(n, backTo int) history.Entry {
		return history.Entry{Number: n, Result: history.Failed, BackTo: backTo}
	}
	for _, c := range []struct {
		entries []history.Entry
		want    string
	}{
		{nil, "none"},
		{[]history.Entry{ok(1, 0)}, "none"},
		{[]history.Entry{ok(1, 0), ok(2, 0)}, "1"},
		{[]history.Entry{ok(1, 0), bad(2, 0)}, "1"},
		{[]history.Entry{ok(1, 0), bad(2, 0), ok(3, 0)}, "1"},
		{[]history.Entry{ok(1, 0), ok(2, 0), ok(3, 0), ok(4, 2)}, "1"},
		{[]history.Entry{ok(1, 0), ok(2, 0), ok(3, 2), ok(4, 1)}, "none"},
		{[]history.Entry{ok(1, 0), ok(2, 0), ok(3, 1), ok(4, 0)}, "2"},
		{[]history.Entry{ok(1, 0), ok(2, 0), bad(3, 1)}, "2"},
		{[]history.Entry{bad(1, 0), {Number: 2, Result: history.Interrupted}}, "none"},
	} {
		got := "none"
		if e, ok := history.Before(c.entries); ok {
			got = fmt.Sprint(e.Number)
		}
		if got != c.want {
			numbers := slices.Collect(func(yield func(string) bool) {
				for _, e := range c.entries {
					yield(fmt.Sprintf("%d %s back to %d", e.Number, e.Result, e.BackTo))
				}
			})
			t.Errorf("%v: %s, want %s", numbers, got, c.want)
		}
	}
}
