package timeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder is where the record of the last start of each project is kept. Nothing that is
// done depends on it.
type Folder string

// Keep writes the record of a project on an engine, in the place of the last one. key stands for the engine.
func (f Folder) Keep(key string, r Record) error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("keep the timeline: %w", err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the timeline: %w", err)
	}
	// Another muster may read or write it at the same time.
	temporary, err := os.CreateTemp(string(f), ".new-*")
	if err != nil {
		return fmt.Errorf("keep the timeline: %w", err)
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.file(key, r.Project))
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
		return fmt.Errorf("keep the timeline: %w", err)
	}
	return nil
}

// Last reads the record of a project's last start; ok is false where there is none.
func (f Folder) Last(key, project string) (r Record, ok bool, err error) {
	text, err := os.ReadFile(f.file(key, project))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("read the timeline of %s: %w", project, err)
	}
	return r, true, nil
}

func (f Folder) file(key, project string) string {
	return filepath.Join(string(f), project+"@"+key+".json")
}
