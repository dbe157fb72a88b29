// Package snapshot keeps what volumes had at a time, in files: a folder a snapshot, with a packed archive a volume and a list that has their
// digests. A folder gets its name when all of it is written, so that what has a name is whole.
package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/klauspost/compress/zstd"
)

// Folder is where the snapshots of one stack lie.
type Folder string

// Snapshot is one of them.
type Snapshot struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Stack   string    `json:"stack"` // the project of its first copy
	Project string    `json:"project"`
	Taken   time.Time `json:"taken"`
	By      string    `json:"by,omitempty"`
	// Halted says how what writes was kept from it: stopped, paused or, where nothing ran, not at all.
	Halted  string   `json:"halted,omitempty"`
	Volumes []Volume `json:"volumes"`
}

// Volume is what one volume had.
type Volume struct {
	Key    string `json:"key"` // in the file
	Size   int64  `json:"size"`
	Stored int64  `json:"stored"` // bytes, packed
	Sum    string `json:"sum"`    // "sha256:…" of the packed archive
}

// Stored is how many bytes it takes.
func (s Snapshot) Stored() int64 { return s.sum(func(v Volume) int64 { return v.Stored }) }

// Size is how many bytes are in it.
func (s Snapshot) Size() int64 { return s.sum(func(v Volume) int64 { return v.Size }) }

func (s Snapshot) sum(of func(Volume) int64) int64 {
	var n int64
	for _, v := range s.Volumes {
		n += of(v)
	}
	return n
}

const (
	format   = "muster snapshot"
	version  = 1
	listFile = "snapshot.json"
	suffix   = ".tar.zst"
	lockFile = "lock" // held while a folder is being written
)

// NameError is a name that a snapshot cannot have.
type NameError string

func (e NameError) Error() string { return fmt.Sprintf("%q is not the name of a snapshot", string(e)) }

// Hint says what is one.
func (e NameError) Hint() string {
	return "take letters, digits, dots, dashes and underscores, and begin with a letter or digit"
}

// NotFoundError is a snapshot that is not there.
type NotFoundError struct {
	Name  string
	Known []string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no snapshot %q", e.Name) }

// Hint names those that there are.
func (e *NotFoundError) Hint() string {
	if len(e.Known) == 0 {
		return "this stack has none; `muster volume snapshot NAME` makes one"
	}
	return "there are " + strings.Join(e.Known, ", ")
}

// ExistsError is a snapshot whose name is taken.
type ExistsError string

func (e ExistsError) Error() string { return fmt.Sprintf("there is a snapshot %q already", string(e)) }

// Hint says how to go on.
func (e ExistsError) Hint() string {
	return "take another name, remove it with `muster volume rm " + string(e) + "`, or say --replace"
}

// UnreadableError is a snapshot whose list cannot be read.
type UnreadableError struct {
	Name  string
	Cause error
}

func (e *UnreadableError) Error() string { return fmt.Sprintf("read snapshot %s: %v", e.Name, e.Cause) }

func (e *UnreadableError) Unwrap() error { return e.Cause }

// Hint says how to be rid of it.
func (e *UnreadableError) Hint() string { return "`muster volume rm NAME` removes what cannot be read" }

var names = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`) })

// List are all snapshots that can be read, oldest first, with an UnreadableError for each other one. What is being written, or was when its
// writer died, is not among them.
func (f Folder) List() ([]Snapshot, error) {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var out []Snapshot
	var bad []error
	for _, e := range entries {
		if !e.IsDir() || !names().MatchString(e.Name()) {
			continue
		}
		s, err := f.read(e.Name())
		if err != nil {
			bad = append(bad, err)
			continue
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b Snapshot) int { return a.Taken.Compare(b.Taken) })
	return out, errors.Join(bad...)
}

// Find is one of them.
func (f Folder) Find(name string) (Snapshot, error) {
	if err := f.Has(name); err != nil {
		return Snapshot{}, err
	}
	return f.read(name)
}

// Has says that there is one of that name, whether or not it can be read.
func (f Folder) Has(name string) error {
	if !names().MatchString(name) {
		return NameError(name)
	}
	_, err := os.Stat(filepath.Join(string(f), name))
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	missing := &NotFoundError{Name: name}
	all, _ := f.List() // those that cannot be read are no help here
	for _, s := range all {
		missing.Known = append(missing.Known, s.Name)
	}
	return missing
}

func (f Folder) read(name string) (Snapshot, error) {
	var s Snapshot
	file := filepath.Join(string(f), name, listFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return s, &UnreadableError{Name: name, Cause: err}
	}
	if err := s.parse(text); err != nil {
		return s, &UnreadableError{Name: name, Cause: fmt.Errorf("%s: %w", file, err)}
	}
	s.Name = name // as the folder is called now
	return s, nil
}

func (s *Snapshot) parse(text []byte) error {
	if err := json.Unmarshal(text, s); err != nil {
		return err
	}
	if s.Format != format {
		return errors.New("this is not a list of a snapshot")
	}
	if s.Version > version {
		return fmt.Errorf("its form %d is newer than this muster knows", s.Version)
	}
	for _, v := range s.Volumes {
		if !names().MatchString(v.Key) {
			return fmt.Errorf("%q is not the key of a volume", v.Key)
		}
	}
	return nil
}

// File is where a volume of a snapshot lies.
func (f Folder) File(snapshot, key string) string {
	return filepath.Join(string(f), snapshot, key+suffix)
}

// Remove removes one, also one that cannot be read.
func (f Folder) Remove(name string) error {
	if err := f.Has(name); err != nil {
		return err
	}
	gone, err := f.aside(name)
	if err == nil {
		err = os.RemoveAll(gone)
	}
	if err != nil {
		return fmt.Errorf("remove snapshot %s: %w", name, err)
	}
	return nil
}

// aside takes a snapshot's name away, so that no half of one is ever listed, and answers with where it is then.
func (f Folder) aside(name string) (string, error) {
	gone := filepath.Join(string(f), ".removed-"+name)
	if err := os.RemoveAll(gone); err != nil {
		return "", err
	}
	return gone, os.Rename(filepath.Join(string(f), name), gone)
}

// Writer makes a snapshot.
type Writer struct {
	folder Folder
	s      Snapshot
	dir    string // with a name that is not listed, until it is whole
	lock   *flock.Flock
}

// Create begins a snapshot, and clears away what others have begun and died over. Where its name is taken, Commit with replace is needed.
func (f Folder) Create(s Snapshot) (*Writer, error) {
	if !names().MatchString(s.Name) {
		return nil, NameError(s.Name)
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, fmt.Errorf("make snapshot %s: %w", s.Name, err)
	}
	f.sweep()
	dir, err := os.MkdirTemp(string(f), ".unfinished-")
	if err != nil {
		return nil, fmt.Errorf("make snapshot %s: %w", s.Name, err)
	}
	w := &Writer{folder: f, s: s, dir: dir, lock: flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))}
	w.s.Format, w.s.Version, w.s.Volumes = format, version, nil
	if err := w.lock.Lock(); err != nil {
		w.Abort()
		return nil, fmt.Errorf("make snapshot %s: %w", s.Name, err)
	}
	return w, nil
}

// sweep removes the unfinished folders that nobody writes any more.
func (f Folder) sweep() {
	dirs, _ := filepath.Glob(filepath.Join(string(f), ".unfinished-*"))
	for _, dir := range dirs {
		lock := flock.New(filepath.Join(dir, lockFile), flock.SetFlag(os.O_RDONLY))
		if ok, err := lock.TryLock(); err == nil && ok {
			_ = lock.Unlock()
			_ = os.RemoveAll(dir)
		}
	}
}

// Volume packs a volume's archive, which fill writes.
func (w *Writer) Volume(key string, fill func(io.Writer) error) error {
	if !names().MatchString(key) {
		return fmt.Errorf("pack volume %s: its key cannot be the name of a file", key)
	}
	file, err := os.OpenFile(filepath.Join(w.dir, key+suffix), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("pack volume %s: %w", key, err)
	}
	sum := &counting{w: file, sum: sha256.New()}
	pack, err := zstd.NewWriter(sum, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return errors.Join(err, file.Close())
	}
	plain := &counting{w: pack}
	if err := errors.Join(fill(plain), pack.Close(), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("pack volume %s: %w", key, err)
	}
	w.s.Volumes = append(w.s.Volumes, Volume{Key: key, Size: plain.n, Stored: sum.n, Sum: sum.digest()})
	return nil
}

// Commit gives the snapshot its name. With replace an older one of that name goes, once the new one is in its place.
func (w *Writer) Commit(replace bool) (Snapshot, error) {
	slices.SortFunc(w.s.Volumes, func(a, b Volume) int { return strings.Compare(a.Key, b.Key) })
	text, err := w.s.indented()
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, listFile), text, 0o600)
	}
	if err != nil {
		return w.s, fmt.Errorf("keep snapshot %s: %w", w.s.Name, err)
	}
	target, older := filepath.Join(string(w.folder), w.s.Name), ""
	if _, err := os.Stat(target); err == nil {
		if !replace {
			return w.s, ExistsError(w.s.Name)
		}
		if older, err = w.folder.aside(w.s.Name); err != nil {
			return w.s, fmt.Errorf("replace snapshot %s: %w", w.s.Name, err)
		}
	}
	_ = w.lock.Unlock()
	_ = os.Remove(filepath.Join(w.dir, lockFile))
	if err := os.Rename(w.dir, target); err != nil {
		if older != "" {
			err = errors.Join(err, os.Rename(older, target))
		}
		return w.s, fmt.Errorf("keep snapshot %s: %w", w.s.Name, err)
	}
	if older != "" {
		if err := os.RemoveAll(older); err != nil {
			return w.s, fmt.Errorf("remove the older snapshot %s: %w", w.s.Name, err)
		}
	}
	return w.s, nil
}

// Abort gives it up; after Commit it does nothing.
func (w *Writer) Abort() {
	_ = w.lock.Unlock()
	_ = os.RemoveAll(w.dir)
}

// counting counts what is written, and sums it up.
type counting struct {
	w   io.Writer
	sum hash.Hash // may be nil
	n   int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.sum != nil {
		_, _ = c.sum.Write(p[:n])
	}
	return n, err
}

func (c *counting) digest() string { return "sha256:" + hex.EncodeToString(c.sum.Sum(nil)) }

// DamagedError is a file that is not what was written.
type DamagedError string

func (e DamagedError) Error() string { return string(e) + " is damaged: its digest is another one" }

// Hint says how to go on.
func (e DamagedError) Hint() string { return "take another snapshot, or an exported copy of this one" }

// Packed reads the packed archive of a volume.
type Packed struct {
	file *os.File
	want string
	sum  hash.Hash
}

// OpenPacked opens the packed archive of a volume whose digest is known.
func OpenPacked(file, sum string) (*Packed, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return &Packed{file: f, want: sum, sum: sha256.New()}, nil
}

func (p *Packed) Read(b []byte) (int, error) {
	n, err := p.file.Read(b)
	_, _ = p.sum.Write(b[:n])
	return n, err
}

// Size is how many bytes it has.
func (p *Packed) Size() (int64, error) {
	is, err := p.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("read snapshot: %w", err)
	}
	return is.Size(), nil
}

// Verify reads what is left, and says whether all was what had been written.
func (p *Packed) Verify() error {
	if _, err := io.Copy(io.Discard, p); err != nil {
		return fmt.Errorf("read snapshot %s: %w", p.file.Name(), err)
	}
	if got := "sha256:" + hex.EncodeToString(p.sum.Sum(nil)); got != p.want {
		return DamagedError(p.file.Name())
	}
	return nil
}

// Close ends it.
func (p *Packed) Close() error { return p.file.Close() }

// Archive reads a volume's archive, unpacked.
type Archive struct {
	packed *Packed
	unpack *zstd.Decoder
}

// Open opens the packed archive of a volume whose digest is known.
func Open(file, sum string) (*Archive, error) {
	packed, err := OpenPacked(file, sum)
	if err != nil {
		return nil, err
	}
	a := &Archive{packed: packed}
	if a.unpack, err = zstd.NewReader(packed); err != nil {
		return nil, errors.Join(fmt.Errorf("read snapshot %s: %w", file, err), packed.Close())
	}
	return a, nil
}

func (a *Archive) Read(p []byte) (int, error) {
	n, err := a.unpack.Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		if bad := a.packed.Verify(); bad != nil {
			return n, bad
		}
		return n, io.EOF
	}
	return n, errors.Join(DamagedError(a.packed.file.Name()), err)
}

// Verify reads what is left, and says whether all was what had been written.
func (a *Archive) Verify() error {
	_, err := io.Copy(io.Discard, a)
	return err
}

// Close ends it.
func (a *Archive) Close() error {
	a.unpack.Close()
	return a.packed.Close()
}

// indented is the list as it stands in its file.
func (s Snapshot) indented() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }
