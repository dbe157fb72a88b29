package project

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"runtime"
)

// checked remembers that a project's files keep to the schema, since a third of the time that a small project takes to load goes into
// compiling it. Nothing of the project is kept but a digest of all that the answer depends on; who has another digest is checked again.
type checked struct {
	file   string // where it is kept, one for each set of files; empty: nowhere
	digest string
}

// newChecked works the digest out: of the program, the files, and the values of the variables that they may name.
func newChecked(l *loading) checked {
	o, dir := l.o, userCache(l.where.remotes.process)
	if dir == "" || o.NoInterpolate || o.NoNormalize || o.NoPathResolution || o.NoConsistency {
		return checked{}
	}
	program, err := programIdentity()
	if err != nil {
		return checked{}
	}
	which, all := sha256.New(), sha256.New()
	put(which, l.where.dir)
	put(all, program, l.name)
	named, everything := []string{}, runtime.GOOS == "windows" // where names of variables have no case
	for _, d := range l.src {
		put(which, d.file)
		put(all, d.file, string(d.content))
		everything = everything || hides(d.content)
	}
	for _, key := range sortedKeys(l.where.env) {
		if everything || l.mentions(key) {
			named = append(named, key, l.where.env[key])
		}
	}
	put(all, named...)
	return checked{
		file:   filepath.Join(dir, "checked", hex.EncodeToString(which.Sum(nil))),
		digest: hex.EncodeToString(all.Sum(nil)),
	}
}

// put adds texts in a way that no other texts come to.
func put(h hash.Hash, texts ...string) {
	fmt.Fprintf(h, "%d\n", len(texts))
	for _, text := range texts {
		fmt.Fprintf(h, "%d\n", len(text))
		_, _ = h.Write([]byte(text))
	}
}

// mentions says whether a file may refer to a variable.
func (l *loading) mentions(variable string) bool {
	for _, d := range l.src {
		if bytes.Contains(d.content, []byte(variable)) {
			return true
		}
	}
	return false
}

// hides says whether what YAML makes of a text may have names that are not to be seen in it: they can be written with escapes, and
// in another encoding.
func hides(content []byte) bool { return bytes.ContainsAny(content, "\\\x00") }

// programIdentity tells this program from any other build of it.
func programIdentity() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano()), nil
}

// known says whether the same has been checked before.
func (c checked) known() bool {
	if c.file == "" {
		return false
	}
	text, err := os.ReadFile(c.file)
	return err == nil && string(text) == c.digest
}

// keep remembers it. What cannot be written is checked again the next time.
func (c checked) keep(docs []*document) {
	if c.file == "" || !standsAlone(docs) {
		return
	}
	if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
		return
	}
	// Under another name until it is whole, as two may write at a time.
	f, err := os.CreateTemp(filepath.Dir(c.file), "new")
	if err != nil {
		return
	}
	_, err = f.WriteString(c.digest)
	if closeErr := f.Close(); err == nil && closeErr == nil {
		err = os.Rename(f.Name(), c.file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// standsAlone says whether the answer depends on nothing but the documents. It does where they read others; and compose-go takes
// the key version out only where it checks.
func standsAlone(docs []*document) bool {
	for _, d := range docs {
		roots, err := d.parse()
		if err != nil {
			return false
		}
		for _, root := range roots {
			for _, key := range []string{"include", "version"} {
				if k, _ := child(root, key); k != nil {
					return false
				}
			}
			_, services := child(root, "services")
			services = followed(services)
			for i := 1; services != nil && i < len(services.Content); i += 2 {
				if k, _ := child(services.Content[i], "extends"); k != nil {
					return false
				}
			}
		}
	}
	return true
}

// userCache is the user's own folder for caches; empty where there is none.
func userCache(env map[string]string) string {
	if dir := env["XDG_CACHE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "muster")
	}
	if dir := env["LOCALAPPDATA"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "muster", "cache")
	}
	if home := env["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "muster")
	}
	return ""
}
