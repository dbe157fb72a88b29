package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// git fetches one commit without its history, and writes its files. A checkout
// would run filters and follow what the repository says about them; reading the objects does not.
func (s Store) git(ctx context.Context, r Reference, version, work, files string) (string, error) {
	bare := filepath.Join(work, "bare")
	g := gitDir{store: s, dir: bare}
	if _, err := g.run(ctx, "init", "--quiet", "--bare", "--template=", bare); err != nil {
		return "", err
	}
	want := version
	if want == "" {
		want = r.Version
	}
	if want == "" {
		want = "HEAD"
	}
	bounded, stop := bound(ctx, bare)
	_, err := g.run(bounded, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", r.Location, want)
	stop()
	if err != nil {
		if cause := context.Cause(bounded); cause != nil && !errors.Is(cause, context.Canceled) {
			return "", cause
		}
		return "", err
	}
	out, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}")
	if err != nil {
		return "", err
	}
	got := strings.TrimSpace(string(out))
	if !commit().MatchString(got) || version != "" && got != version {
		return "", &Problem{Text: fmt.Sprintf("gave commit %s instead of %s", got, version)}
	}
	return got, g.export(ctx, got, files)
}

// bound ends its context once the folder has grown too large.
func bound(ctx context.Context, dir string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if size(dir) > maxBytes {
					cancel(&Problem{Text: fmt.Sprintf("is larger than %d MiB", maxBytes>>20)})
				}
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-done }
}

func size(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // git renames while we look
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// gitDir is a bare repository of our own.
type gitDir struct {
	store Store
	dir   string
}

// command is git with nothing of the user's that could run or ask.
func (g gitDir) command(ctx context.Context, args ...string) *exec.Cmd {
	safe := []string{"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "credential.interactive=false",
		"-c", "transfer.unpackLimit=1", "-c", "gc.auto=0", "-c", "protocol.ext.allow=never"}
	cmd := exec.CommandContext(ctx, "git", append(safe, args...)...)
	cmd.WaitDelay = 5 * time.Second
	protocols := "https:http:ssh:git"
	if g.store.Local {
		protocols += ":file"
	}
	cmd.Env = []string{"GIT_DIR=" + g.dir, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "LC_ALL=C",
		"GIT_ALLOW_PROTOCOL=" + protocols, "GIT_SSH_COMMAND=ssh -oBatchMode=yes", "GIT_LFS_SKIP_SMUDGE=1"}
	for _, kv := range g.store.Environ {
		key, _, _ := strings.Cut(kv, "=")
		if slices.Contains(passedOn(), strings.ToUpper(key)) {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return cmd
}

// passedOn are the variables that reaching and logging in to a repository may need.
func passedOn() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "DBUS_SESSION_BUS_ADDRESS",
		"SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "TEMP", "TMP"}
}

func (g gitDir) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := g.command(ctx, args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return nil, gitProblem(args[0], problem.String(), err)
	}
	return out.Bytes(), nil
}

// gitProblem puts git's words into ours.
func gitProblem(verb, text string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &Problem{Text: "cannot be fetched: there is no git program", Hint: "install git"}
	}
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"fatal: ", "error: ", "ERROR: "} {
			if rest, ok := strings.CutPrefix(line, mark); ok && (last == "" || mark == "fatal: ") {
				last = rest
			}
		}
	}
	if at := strings.Index(text, "ssh: "); at >= 0 { // its own words tell more than what git makes of them
		last, _, _ = strings.Cut(text[at:], "\n")
		last = strings.TrimSpace(last)
	}
	if last == "" {
		last = strings.TrimSpace(text)
	}
	p := &Problem{Text: "cannot be fetched: " + last}
	switch {
	case last == "":
		return fmt.Errorf("git %s: %w", verb, err)
	case strings.Contains(text, "couldn't find remote ref"), strings.Contains(text, "not our ref"):
		p.Text, p.Hint = "has no such version", "is the branch, tag or commit there still?"
	case strings.Contains(text, "could not read Username"), strings.Contains(text, "Permission denied"), strings.Contains(text, "Authentication failed"):
		p.Hint = "muster asks for no password: can `git clone` reach it without one?"
	case strings.Contains(text, "Could not resolve host"), strings.Contains(text, "onnect to"): // with a capital or without
		p.Hint = "is the host's name right, and is there a network?"
	case strings.Contains(text, "transport 'file' not allowed"):
		p.Text, p.Hint = "is a repository of this machine, which is not read", "name the file itself, or allow it with MUSTER_ALLOW_REMOTE=file://…"
	}
	return p
}

// entry is one file of a commit.
type entry struct {
	mode, id, path string
	size           int64
}

// export writes the files of a commit into a new folder.
func (g gitDir) export(ctx context.Context, id, files string) error {
	entries, err := g.list(ctx, id)
	if err != nil {
		return err
	}
	if err := os.Mkdir(files, 0o755); err != nil {
		return fmt.Errorf("keep a remote file: %w", err)
	}
	in, err := os.OpenRoot(files)
	if err != nil {
		return fmt.Errorf("keep a remote file: %w", err)
	}
	defer func() { _ = in.Close() }()
	links := map[string]string{}
	err = g.blobs(ctx, entries, func(e entry, data []byte) error {
		mode := fs.FileMode(0o644)
		switch e.mode {
		case "120000":
			links[e.path] = string(data)
			return nil
		case "100755":
			mode = 0o755
		}
		return write(in, e.path, mode, data)
	})
	if err != nil {
		return err
	}
	return link(in, links)
}

// link makes the symbolic links, last of all, so that no file is written through one. Those that
// lead out are refused.
func link(in *os.Root, links map[string]string) error {
	for _, name := range sortedNames(links) {
		target := filepath.ToSlash(links[name])
		at := path.Join(path.Dir(name), target)
		if path.IsAbs(target) || at == ".." || strings.HasPrefix(at, "../") {
			return &Problem{Text: fmt.Sprintf("its symbolic link %s leads out of the repository, to %s", name, target), Hint: "clone it and use the local file, if you trust it"}
		}
		if dir := path.Dir(name); dir != "." {
			if err := in.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
				return fmt.Errorf("keep %q: %w", name, err)
			}
		}
		if err := in.Symlink(filepath.FromSlash(target), filepath.FromSlash(name)); err != nil {
			return fmt.Errorf("keep %q: %w", name, err)
		}
	}
	return nil
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// list reads what a commit consists of. Submodules are left out, as with a plain clone.
func (g gitDir) list(ctx context.Context, id string) ([]entry, error) {
	out, err := g.run(ctx, "ls-tree", "-r", "-z", "-l", "--full-tree", id)
	if err != nil {
		return nil, err
	}
	var entries []entry
	var total int64
	for _, line := range strings.Split(string(out), "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 || fields[1] != "blob" {
			continue
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read what git lists: %w", err)
		}
		if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.EqualFold(part, ".git") }) {
			return nil, &Problem{Text: "has a file below a folder named .git, which only an attack has"}
		}
		total += size
		entries = append(entries, entry{mode: fields[0], id: fields[2], path: name, size: size})
	}
	if total > maxBytes {
		return nil, &Problem{Text: fmt.Sprintf("is larger than %d MiB", maxBytes>>20)}
	}
	if len(entries) > maxFiles {
		return nil, &Problem{Text: fmt.Sprintf("has more than %d files", maxFiles)}
	}
	return entries, nil
}

// blobs reads the content of entries, in their order.
func (g gitDir) blobs(ctx context.Context, entries []entry, each func(entry, []byte) error) (err error) {
	var ids strings.Builder
	for _, e := range entries {
		ids.WriteString(e.id + "\n")
	}
	cmd := g.command(ctx, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(ids.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("git cat-file: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return gitProblem("cat-file", "", err)
	}
	defer func() {
		_, _ = io.Copy(io.Discard, out)
		err = errors.Join(err, cmd.Wait())
	}()
	in := bufio.NewReader(out)
	for _, e := range entries {
		head, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("git cat-file: %w", err)
		}
		if want := fmt.Sprintf("%s blob %d\n", e.id, e.size); head != want {
			return fmt.Errorf("git cat-file: %q instead of %q", head, want)
		}
		data := make([]byte, e.size+1) // and a line feed
		if _, err := io.ReadFull(in, data); err != nil {
			return fmt.Errorf("git cat-file: %w", err)
		}
		if err := each(e, data[:e.size]); err != nil {
			return err
		}
	}
	return nil
}
