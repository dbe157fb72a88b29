package agent

import (
	"os"
	"path/filepath"
	"testing"
)

// A volume's empty folder is another one after that, as it was; one with something in it stays.
func TestSettle(t *testing.T) {
	dir := volumes(t, "a", "b")
	data := filepath.Join(dir, "a", content)
	if err := os.Chmod(data, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b", content, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, volume := range []string{"a", "b"} {
		before := inode(t, filepath.Join(dir, volume, content))
		if err := settle(root, volume); err != nil {
			t.Fatalf("%s: %v", volume, err)
		}
		if after := inode(t, filepath.Join(dir, volume, content)); after != before && volume == "b" {
			t.Error("a volume that has something got another folder")
		} else if after == before && volume == "a" {
			t.Log("this file system knows no top of a tree")
		}
		if names, _ := os.ReadDir(filepath.Join(dir, volume)); len(names) != 1 {
			t.Errorf("volume %s has %v", volume, names)
		}
	}
	is, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := is.Mode().Perm(); got != 0o751 {
		t.Errorf("its mode is %v", got)
	}
}

func inode(t *testing.T, path string) string {
	t.Helper()
	is, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return number(is)
}
