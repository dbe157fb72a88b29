// Package lock lets one program at a time change a project, among those that run as one user on
// one machine.
//
// It is a lock of the operating system on a file, so that it is gone with its holder however that ends:
// kill -9 leaves nothing behind that anybody had to clear. A second file says who has it, for people to read; it
// decides nothing. What keeps programs of other machines and other users apart is on the engine itself (see
// Hold in runner/docker).
package lock

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Holder says who has a lock.
type Holder struct {
	By      string    `json:"by"` // user@host
	PID     int       `json:"pid"`
	Command string    `json:"command"` // as typed
	Since   time.Time `json:"since"`
}

// String is for a sentence: "ann@box, process 4711, `muster up -d`, since 12:03:07".
func (h Holder) String() string {
	var parts []string
	if h.By != "" {
		parts = append(parts, h.By)
	}
	if h.PID > 0 {
		parts = append(parts, fmt.Sprintf("process %d", h.PID))
	}
	if h.Command != "" {
		parts = append(parts, "`"+h.Command+"`")
	}
	if !h.Since.IsZero() {
		parts = append(parts, "since "+h.Since.Local().Format("15:04:05"))
	}
	if len(parts) == 0 {
		return "another muster"
	}
	return strings.Join(parts, ", ")
}

// Folder is where the locks of one user on one machine lie.
type Folder string

// Held is a lock that this program has.
type Held struct {
	file *flock.Flock
	note string
}

// Take takes a lock, or says who has it; then Held is nil. It does not wait.
func (f Folder) Take(name string, me Holder) (*Held, Holder, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, Holder{}, fmt.Errorf("lock %s: %w", name, err)
	}
	path := filepath.Join(string(f), fileName(name))
	note := path + ".holder"
	file := flock.New(path+".lock", flock.SetPermissions(0o600))
	ok, err := file.TryLock()
	if err != nil {
		return nil, Holder{}, fmt.Errorf("lock %s: %w", name, err)
	}
	if !ok {
		return nil, readHolder(note), nil
	}
	// Whom others wait for is a courtesy: without it they wait all the same.
	if text, err := json.Marshal(me); err == nil {
		_ = writeFile(note, text)
	}
	return &Held{file: file, note: note}, Holder{}, nil
}

// Held says whether somebody has a lock.
func (f Folder) Held(name string) bool {
	file := flock.New(filepath.Join(string(f), fileName(name))+".lock", flock.SetFlag(os.O_RDONLY))
	ok, err := file.TryRLock()
	if err != nil {
		return false // there is no such lock
	}
	if ok {
		_ = file.Unlock()
	}
	return !ok
}

// Release gives the lock back.
func (h *Held) Release() {
	_ = os.Remove(h.note)
	_ = h.file.Unlock() // which closes the file
}

// Identity tells this folder from those of all other users and machines: where it is the same, a lock taken here
// excludes the one who wrote it down. It is made up at first use.
func (f Folder) Identity() (string, error) {
	path := filepath.Join(string(f), "identity")
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return "", fmt.Errorf("name the folder of locks: %w", err)
	}
	// Of two that make one up at the same time the first one counts.
	made := path + "." + rand.Text()
	if err := os.WriteFile(made, []byte(rand.Text()), 0o600); err != nil {
		return "", fmt.Errorf("name the folder of locks: %w", err)
	}
	defer func() { _ = os.Remove(made) }()
	if err := os.Link(made, path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("name the folder of locks: %w", err)
	}
	text, err = os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("name the folder of locks: %w", err)
	}
	return string(text), nil
}

func readHolder(file string) Holder {
	var h Holder
	if text, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(text, &h) // one that cannot be read is only not named
	}
	return h
}

func writeFile(file string, text []byte) error {
	made := file + "." + rand.Text()
	if err := os.WriteFile(made, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(made, file); err != nil {
		_ = os.Remove(made)
		return err
	}
	return nil
}

// fileName makes any text the name of a file.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, name)
}
