package examples

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

// TestWorktrees: three worktrees of the shop, whose file publishes one and the same port, are up at once; each answers, and each has
// its own data. One that is removed is cleared away, and the others are not.
func TestWorktrees(t *testing.T) {
	enginetest.SameOnAny(t, "TestShop, and scripts expires and test of cmd/muster")
	t.Parallel()
	s := newShop(t)
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		cmd.Dir = filepath.Join(dir, "main")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "main"), os.DirFS("shop")); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	git("add", "--force", ".")
	git("commit", "-q", "-m", "the shop")
	s = s.with("MUSTER_INSTANCE=auto", "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	s.dir = filepath.Join(dir, "main")
	trees := []*stack{s}
	for _, name := range []string{"red", "blue"} {
		git("worktree", "add", "-q", filepath.Join(dir, name))
		tree := *s
		tree.dir = filepath.Join(dir, name)
		trees = append(trees, &tree)
		t.Cleanup(func() {
			away := tree.with("MUSTER_INSTANCE=" + name)
			away.dir = "shop" // its own may be gone
			if code, _, stderr := away.try("down", "-v", "--rmi", "local", "--remove-orphans", "-t", "1"); code != 0 {
				t.Errorf("cleaning up %s: exit code %d\n%s", name, code, stderr)
			}
		})
	}
	for i, tree := range trees {
		tree.muster("up", "-d", "--wait", "--quiet-build")
		var at map[string]string
		if err := json.Unmarshal([]byte(tree.muster("env", "--format", "json")), &at); err != nil {
			t.Fatal(err)
		}
		if fixed := at["PROXY_80_PORT"] == s.port; fixed != (i == 0) {
			t.Errorf("worktree %d is at port %s, the file says %s", i, at["PROXY_80_PORT"], s.port)
		}
		tree.port = at["PROXY_80_PORT"]
		for range i {
			tree.post("/orders", url.Values{"item": {"tea"}})
		}
	}
	for i, tree := range trees {
		if n := tree.total(); n != i {
			t.Errorf("worktree %d has %d orders", i, n)
		}
		if code, stdout, stderr := tree.try("plan", "--detailed-exitcode"); code != 0 {
			t.Errorf("worktree %d has something to do:\n%s%s", i, stdout, stderr)
		}
	}

	git("worktree", "remove", "--force", filepath.Join(dir, "red"))
	if out := s.muster("gc", "--yes"); !strings.HasPrefix(out, s.project+"-red: its folder ") || strings.Contains(out, "blue") {
		t.Errorf("gc says %s", out)
	}
	if list := s.muster("ls", "-a", "-q", "--filter", "name="+s.project); list != s.project+"\n"+s.project+"-blue\n" {
		t.Errorf("there are still %s", list)
	}
	if n := trees[2].total(); n != 2 {
		t.Errorf("the one that stays has %d orders", n)
	}
}
