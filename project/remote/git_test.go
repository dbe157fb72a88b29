package remote

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes a repository with one commit of files; a value that begins with -> is a
// symbolic link. It gives its address and how to make a further commit.
func repository(t *testing.T, files map[string]string) (address string, commit func(files map[string]string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git program")
	}
	dir := filepath.Join(t.TempDir(), "base.git")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "--quiet", "--initial-branch=main")
	commit = func(files map[string]string) string {
		t.Helper()
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			if target, ok := strings.CutPrefix(text, "->"); ok {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, []byte(text), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		git("add", "-A")
		git("commit", "--quiet", "-m", "x")
		return git("rev-parse", "HEAD")
	}
	commit(files)
	return "file://" + dir, commit
}

func fetch(t *testing.T, s Store, source, version string) (Copy, error) {
	t.Helper()
	r, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return s.Fetch(t.Context(), r, version)
}

func TestFetchGit(t *testing.T) {
	address, commit := repository(t, map[string]string{"compose.yaml": "services: {}\n", "db/compose.yml": "one\n", "db/link": "->compose.yml", "run.sh": "#!"})
	s := Store{Dir: filepath.Join(t.TempDir(), "cache"), Environ: os.Environ(), Local: true}
	first, err := fetch(t, s, address, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := filepath.Base(first.Root); got != "base" {
		t.Errorf("the folder is called %s, want the repository's name: base", got)
	}
	if data, err := os.ReadFile(filepath.Join(first.Root, "db", "link")); string(data) != "one\n" || err != nil {
		t.Errorf("link within: %q, %v", data, err)
	}
	later := commit(map[string]string{"db/compose.yml": "two\n"})
	second, err := fetch(t, s, address+"#main:db", "")
	if err != nil || second.Version != later {
		t.Fatalf("after a commit: %+v, %v, want %s", second, err, later)
	}
	if data, err := os.ReadFile(second.File); string(data) != "two\n" || err != nil {
		t.Errorf("%s: %q, %v", second.File, data, err)
	}
	// The repository is gone, and what is pinned is there still.
	if err := os.RemoveAll(strings.TrimPrefix(address, "file://")); err != nil {
		t.Fatal(err)
	}
	again, err := fetch(t, s, address+"#main:db", second.Version)
	if err != nil || again != second {
		t.Errorf("pinned: %+v, %v, want %+v", again, err, second)
	}
	if _, err := fetch(t, s, address, ""); err == nil {
		t.Error("an unpinned source was fetched from a repository that is gone")
	}
	left, err := filepath.Glob(filepath.Join(s.Dir, "fetch-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFetchGitRefuses(t *testing.T) {
	address, _ := repository(t, map[string]string{"compose.yaml": "services: {}\n", "docs/readme": "x"})
	linked, _ := repository(t, map[string]string{"compose.yaml": "services: {}\n", "a/out": "->../../secret"})
	absolute, _ := repository(t, map[string]string{"compose.yaml": "->/etc/passwd"})
	for what, c := range map[string]struct {
		source, want string
		remote       bool
	}{
		"no such branch":   {source: address + "#other", want: "has no such version"},
		"no such path":     {source: address + "#main:nowhere", want: `has no "nowhere"`},
		"no compose file":  {source: address + "#main:docs", want: "has no compose.yaml"},
		"link out":         {source: linked, want: "leads out of the repository"},
		"absolute link":    {source: absolute, want: "leads out of the repository"},
		"local repository": {source: address, want: "is a repository of this machine", remote: true},
	} {
		s := Store{Dir: t.TempDir(), Environ: os.Environ(), Local: !c.remote}
		got, err := fetch(t, s, c.source, "")
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Text, c.want) {
			t.Errorf("%s: %+v, %v, want %q", what, got, err, c.want)
		}
	}
}

// A hook or filter of the user's must not run for what is fetched.
func TestFetchGitRunsNothing(t *testing.T) {
	address, _ := repository(t, map[string]string{"compose.yaml": "services: {}\n", ".gitattributes": "* filter=evil\n"})
	home := t.TempDir()
	mark := filepath.Join(home, "ran")
	config := "[filter \"evil\"]\n\tsmudge = touch " + mark + "\n[core]\n\thooksPath = " + home + "\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "reference-transaction", "post-merge"} {
		if err := os.WriteFile(filepath.Join(home, hook), []byte("#!/bin/sh\ntouch "+mark+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := Store{Dir: t.TempDir(), Environ: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GIT_SSH_COMMAND=touch " + mark}, Local: true}
	if _, err := fetch(t, s, address, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("something was run")
	}
}

func TestRemember(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "cache")}
	if got := s.Recall("a"); got != "" {
		t.Errorf("recalled %q of nothing", got)
	}
	for _, version := range []string{"1", "2"} {
		if err := s.Remember("a", version); err != nil {
			t.Fatal(err)
		}
		if got := s.Recall("a"); got != version {
			t.Errorf("recalled %q, want %q", got, version)
		}
	}
}

// What git says is not always where the trouble is.
func TestGitProblems(t *testing.T) {
	for text, want := range map[string]Problem{
		"ssh: connect to host example.com port 22: Connection refused\r\nfatal: Could not read from remote repository.\n\nPlease make sure\n": {
			Text: "cannot be fetched: ssh: connect to host example.com port 22: Connection refused", Hint: "is the host's name right, and is there a network?"},
		"fatal: unable to access 'https://example.com/a.git/': Could not resolve host: example.com\n": {
			Text: "cannot be fetched: unable to access 'https://example.com/a.git/': Could not resolve host: example.com", Hint: "is the host's name right, and is there a network?"},
		"fatal: could not read Username for 'https://example.com': terminal prompts disabled\n": {
			Text: "cannot be fetched: could not read Username for 'https://example.com': terminal prompts disabled",
			Hint: "muster asks for no password: can `git clone` reach it without one?"},
	} {
		var got *Problem
		if err := gitProblem("fetch", text, errors.New("exit status 128")); !errors.As(err, &got) || *got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
