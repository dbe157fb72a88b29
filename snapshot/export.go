package snapshot

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Export writes a snapshot as one tar archive: its list first, then the packed archives of its volumes.
func (f Folder) Export(name string, to io.Writer) error {
	s, err := f.Find(name)
	if err != nil {
		return err
	}
	text, err := s.indented()
	if err != nil {
		return fmt.Errorf("export snapshot %s: %w", name, err)
	}
	out := tar.NewWriter(to)
	add := func(file string, size int64, from io.Reader) error {
		if err := out.WriteHeader(&tar.Header{Name: file, Mode: 0o600, Size: size, ModTime: s.Taken, Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := io.Copy(out, from)
		return err
	}
	if err := add(listFile, int64(len(text)), bytes.NewReader(text)); err != nil {
		return fmt.Errorf("export snapshot %s: %w", name, err)
	}
	for _, v := range s.Volumes {
		file, err := os.Open(f.File(name, v.Key))
		if err == nil {
			sum := &counting{w: io.Discard, sum: sha256.New()}
			err = errors.Join(add(v.Key+suffix, v.Stored, io.TeeReader(file, sum)), file.Close())
			if err == nil && sum.digest() != v.Sum {
				err = DamagedError(file.Name())
			}
		}
		if err != nil {
			return fmt.Errorf("export snapshot %s: %w", name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("export snapshot %s: %w", name, err)
	}
	return nil
}

// Import reads what Export has written, and keeps it under a name; empty is the one that it had.
func (f Folder) Import(from io.Reader, as string, replace bool) (Snapshot, error) {
	in := tar.NewReader(from)
	head, err := in.Next()
	if err != nil || head.Name != listFile {
		return Snapshot{}, errors.Join(errors.New("this is not what `muster volume export` writes"), err)
	}
	const most = 1 << 20 // of a list
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return Snapshot{}, fmt.Errorf("import snapshot: %w", err)
	}
	var s Snapshot
	if err := s.parse(text); err != nil {
		return Snapshot{}, fmt.Errorf("import snapshot: %w", err)
	}
	want := s.Volumes
	if as != "" {
		s.Name = as
	}
	w, err := f.Create(s)
	if err != nil {
		return Snapshot{}, err
	}
	defer w.Abort()
	for _, v := range want {
		head, err := in.Next()
		if err == nil && strings.TrimSuffix(head.Name, suffix) != v.Key {
			err = fmt.Errorf("%s stands where volume %s should", head.Name, v.Key)
		}
		if err == nil {
			err = w.take(v, in)
		}
		if err != nil {
			return Snapshot{}, fmt.Errorf("import snapshot %s: volume %s: %w", s.Name, v.Key, err)
		}
	}
	return w.Commit(replace)
}

// take takes a volume over that is packed already.
func (w *Writer) take(v Volume, from io.Reader) error {
	file, err := os.OpenFile(filepath.Join(w.dir, v.Key+suffix), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := &counting{w: file, sum: sha256.New()}
	_, err = io.Copy(sum, from)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if sum.digest() != v.Sum || sum.n != v.Stored {
		return DamagedError("it")
	}
	w.s.Volumes = append(w.s.Volumes, v)
	return nil
}
