// Package history keeps what has been done to a project: for each change who made it, when, how it went, and the
// model with its images, so that one can go back to it.
//
// It is a record for people. Nothing is decided by it: what a plan does follows from the files and the engine
// alone, and a history that is lost or deleted changes no plan. It lies in the user's own state folder, a file a
// change, readable by nobody else, since a model has the values of variables in it. The numbers of the changes are also on the
// containers (dev.muster.revision), so that those made from other machines are known.
package history

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is how a change went.
type Result string

// The results. A change that is neither going on nor has told how it ended was killed, and counts as interrupted.
const (
	Running     Result = "running"
	OK          Result = "ok"
	Failed      Result = "failed"
	Interrupted Result = "interrupted"
)

// Entry is one change.
type Entry struct {
	Number  int       `json:"number"`
	Project string    `json:"project"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	By      string    `json:"by"` // user@host
	PID     int       `json:"pid"`
	Command string    `json:"command"` // as typed
	Muster  string    `json:"muster"`  // version
	Result  Result    `json:"result"`
	Problem string    `json:"problem,omitempty"` // with Failed, in a line
	// Changes say what was done, a line a service: "web: replace".
	Changes []string `json:"changes"`
	// Files and Directory are where the model came from.
	Files     []string `json:"files"`
	Directory string   `json:"directory"`
	// Services are those that were named; empty is all, and then the model is the whole stack.
	Services []string       `json:"services,omitempty"`
	Scale    map[string]int `json:"scale,omitempty"`
	// Model is the resolved Compose file.
	Model string `json:"model"`
	// Images are what the services ran when it was done, by service.
	Images map[string]Image `json:"images,omitempty"`
	// Configs are the contents of configs from files, Secrets the digests of secrets, by key.
	Configs map[string]string `json:"configs,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
	// BackTo is the change that this one went back to; 0 for all others.
	BackTo int `json:"back_to,omitempty"`
}

// Image is what a service ran.
type Image struct {
	Reference string `json:"reference"`        // as the model has it
	ID        string `json:"id"`               // on the engine
	Digest    string `json:"digest,omitempty"` // NAME@sha256:…, where it came from a registry
}

// Folder is the history of one project on one engine.
type Folder string

// kept is how many changes are kept.
const kept = 50

// maxEntry bounds what is read of one, in bytes.
const maxEntry = 64 << 20

// Put writes an entry, at once or not at all, over what it was before, and forgets the oldest ones.
func (f Folder) Put(e Entry) error {
	if err := f.put(e); err != nil {
		return fmt.Errorf("keep change %d of %s: %w", e.Number, e.Project, err)
	}
	return nil
}

func (f Folder) put(e Entry) error {
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	made := filepath.Join(string(f), "."+rand.Text())
	if err := os.WriteFile(made, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(made, f.file(e.Number)); err != nil {
		_ = os.Remove(made)
		return err
	}
	numbers, err := f.Numbers()
	if err != nil {
		return err
	}
	for _, n := range numbers[:max(0, len(numbers)-kept)] {
		if err := os.Remove(f.file(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f Folder) file(number int) string {
	return filepath.Join(string(f), fmt.Sprintf("%06d.json", number))
}

// Numbers are those of the changes that are kept, oldest first. A folder that does not exist has none.
func (f Folder) Numbers() ([]int, error) {
	files, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var out []int
	for _, file := range files {
		digits, ok := strings.CutSuffix(file.Name(), ".json")
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Get reads one entry; fs.ErrNotExist, wrapped, says that there is none.
func (f Folder) Get(number int) (Entry, error) {
	var e Entry
	info, err := os.Stat(f.file(number))
	if err != nil {
		return e, fmt.Errorf("read change %d: %w", number, err)
	}
	if info.Size() > maxEntry {
		return e, fmt.Errorf("read change %d: the file is too large", number)
	}
	text, err := os.ReadFile(f.file(number))
	if err != nil {
		return e, fmt.Errorf("read change %d: %w", number, err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("read change %d from %s: %w", number, f.file(number), err)
	}
	e.Number = number
	return e, nil
}

// All reads every entry, oldest first. Those that cannot be read are left out.
func (f Folder) All() ([]Entry, error) {
	numbers, err := f.Numbers()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, n := range numbers {
		if e, err := f.Get(n); err == nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// Before is the change to go back to from the last one: the one before it that went well. A change that itself went
// back stands where the one stands that it went back to, so that going back again goes further back. ok is false where
// there is none.
func Before(entries []Entry) (before Entry, ok bool) {
	if len(entries) == 0 {
		return Entry{}, false
	}
	last := entries[len(entries)-1]
	at := last.Number
	if last.BackTo > 0 && last.Result == OK {
		at = last.BackTo
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.Number < at && e.Result == OK && e.BackTo == 0 {
			return e, true
		}
	}
	return Entry{}, false
}
