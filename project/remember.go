package project

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/cache"
)

// noCacheVariable turns off what is remembered, where it is set to true.
const noCacheVariable = "MUSTER_NO_CACHE"

// Bounds of what is remembered: the bytes of one project, and of how many ways to load one.
const (
	maxRemembered = 8 << 20
	maxEntries    = 64
)

// memory remembers what files came to, since reading them takes longer than all else that muster does where there is nothing to
// do. What it has is locked with a digest of everything that the answer depends on, which is worked out anew each time and
// written nowhere: the program, the options, the files' text, the values of the variables that they may name, and what each file
// beside them has in it. Whoever comes to another digest cannot open it, so that there is no answer for anything but the very
// same; and without the values that went in none can be read out of it, though a weak one can be guessed and tried, as
// from the labels of containers.
//
// A file beside the given ones may change while it is read. So an answer is kept only where the digest was the same before
// and after; which files there are is known for the next time in any case, and the time after that has the answer.
type memory struct {
	file   string    // where it is kept, one for each way to load; empty: nowhere
	base   hash.Hash // of all that is known before the files beside are looked at
	texts  [][]byte  // that may name variables
	env    []string  // names of the variables, sorted
	values types.Mapping
	// inputs are the files beside, as they were the last time, and key what they come to now; nil is not known.
	inputs []input
	key    []byte
	sealed []byte
}

// newMemory works out all that can be said before the files are loaded.
func newMemory(l *loading) *memory {
	o, env := l.o, l.where.remotes.process
	dir := userCache(env)
	if dir == "" || truth(env[noCacheVariable]) || o.NoInterpolate || o.NoNormalize || o.NoPathResolution || o.NoEnvResolution || o.NoConsistency {
		return nil
	}
	program, err := cache.Program()
	if err != nil || len(l.where.remotes.order) > 0 {
		return nil
	}
	m := &memory{base: sha256.New(), env: sortedKeys(l.where.env), values: maps.Clone(l.where.env)}
	o.Stdin, o.Confirm, o.Environ, o.HostPorts = nil, nil, nil, nil // what they lead to counts below, or is asked each time
	home, _ := os.UserHomeDir()                                     // that compose-go puts for ~, whatever environment is given
	which := sha256.New()
	cache.Put(which, fmt.Sprintf("%#v", o), l.where.cwd, l.where.dir)
	cache.Put(which, l.where.files...)
	m.file = filepath.Join(dir, "projects", hex.EncodeToString(which.Sum(nil)))
	cache.Put(m.base, program, hex.EncodeToString(which.Sum(nil)), l.name, home, fmt.Sprint(l.where.warnings))
	cache.Put(m.base, l.where.profiles...)
	cache.Put(m.base, l.where.envFiles...)
	for _, d := range l.src {
		cache.Put(m.base, d.file, string(d.content))
		m.texts = append(m.texts, d.content)
	}
	m.open()
	return m
}

// digest is the key for the inputs as they are now; nil where they cannot be relied on.
func (m *memory) digest(inputs []input) []byte {
	state, err := m.base.(hash.Cloner).Clone()
	if err != nil {
		return nil
	}
	texts := slices.Clone(m.texts)
	for _, in := range inputs {
		text, ok := in.observe(state)
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	everything := runtime.GOOS == "windows" || slices.ContainsFunc(texts, hides) // where names of variables have no case
	for _, name := range m.env {
		if everything || means(name) || slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(text, []byte(name)) }) {
			cache.Put(state, name, m.values[name])
		}
	}
	return state.Sum(nil)
}

// means says whether a variable may count although no file names it.
func means(variable string) bool {
	for _, prefix := range []string{"COMPOSE_", "MUSTER_", "DOCKER_"} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return variable == "HOME" || variable == "PWD"
}

// hides says whether what YAML makes of a text may have names that are not to be seen in it: they can be written with escapes, and
// in another encoding.
func hides(text []byte) bool { return bytes.ContainsAny(text, "\\\x00") }

// remembered is what an entry has: the names of the files beside, for anybody to read, and the answer, locked. The
// answer is missing where only the names are known yet.
type remembered struct {
	Inputs []input
	Sealed []byte
}

// open reads the entry. One that cannot be read, or only in part, is none.
func (m *memory) open() {
	data, err := os.ReadFile(m.file)
	var r remembered
	if err != nil || len(data) > 2*maxRemembered || fromBinary(data, &r) != nil {
		m.key = m.digest(nil)
		return
	}
	m.inputs, m.sealed, m.key = r.Inputs, r.Sealed, m.digest(r.Inputs)
}

// answer is what a load comes to, but for the environment, which has more than the files ask for.
type answer struct {
	Model                               *types.Project
	Networks, Volumes, Configs, Secrets []string // that are used
	Content                             map[string]string
	Warnings                            []Warning
}

// recall gives the answer, where it was given for the very same.
func (m *memory) recall(l *loading) *Project {
	if m == nil || m.key == nil || len(m.sealed) == 0 {
		return nil
	}
	lock, err := m.lock(m.key)
	if err != nil || len(m.sealed) < lock.NonceSize() {
		return nil
	}
	nonce, sealed := m.sealed[:lock.NonceSize()], m.sealed[lock.NonceSize():]
	data, err := lock.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil
	}
	var a answer
	if err := fromBinary(data, &a); err != nil || a.Model == nil {
		return nil
	}
	p := l.begun()
	a.Model.Environment = l.where.env.Clone()
	a.Model.ComposeFiles = l.where.files
	p.bind(a.Model)
	p.Networks = chosen(a.Model.Networks, a.Networks)
	p.Volumes = chosen(a.Model.Volumes, a.Volumes)
	p.Configs = chosen(a.Model.Configs, a.Configs)
	p.Secrets = chosen(a.Model.Secrets, a.Secrets)
	p.Content, p.Warnings = a.Content, a.Warnings
	p.Beside = readPaths(m.inputs)
	p.inputs, p.known = l.withLooked(m.inputs)
	return p
}

func chosen[M ~map[string]V, V any](from M, keys []string) M {
	out := make(M, len(keys))
	for _, key := range keys {
		out[key] = from[key]
	}
	return out
}

func (m *memory) lock(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// keep remembers an answer. What cannot be written is worked out again the next time.
func (m *memory) keep(l *loading, p *Project) {
	if m == nil || m.key == nil || !l.allInputs {
		return
	}
	inputs := l.inputs
	now := remembered{Inputs: inputs}
	// The list is a part of what the digest is of.
	if key := m.digest(inputs); slices.Equal(inputs, m.inputs) && bytes.Equal(key, m.key) {
		sealed, err := m.seal(p)
		if err != nil {
			return
		}
		now.Sealed = sealed
	}
	data, err := toBinary(&now)
	if err != nil || len(data) > maxRemembered {
		return
	}
	_ = cache.Keep(filepath.Dir(m.file), filepath.Base(m.file), data, maxEntries)
}

func (m *memory) seal(p *Project) ([]byte, error) {
	model := *p.Model
	model.Environment, model.ComposeFiles = nil, nil
	data, err := toBinary(&answer{
		Model: &model, Content: p.Content, Warnings: p.Warnings,
		Networks: sortedKeys(p.Networks), Volumes: sortedKeys(p.Volumes), Configs: sortedKeys(p.Configs), Secrets: sortedKeys(p.Secrets),
	})
	if err != nil {
		return nil, err
	}
	lock, err := m.lock(m.key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, lock.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return lock.Seal(nonce, nonce, data, nil), nil
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
