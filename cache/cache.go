// Package cache keeps files that may be removed at any time, and digests that tell whether they are still right.
//
// It is set up before nearly all else, since the package ask uses it: it imports no more than os and what that needs.
package cache

import (
	"hash"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strconv"
)

// Put adds texts to a digest in a way that no other texts come to.
func Put[T string | []byte](h hash.Hash, texts ...T) {
	var room [24]byte
	number := func(n int) { _, _ = h.Write(append(strconv.AppendInt(room[:0], int64(n), 10), '\n')) }
	number(len(texts))
	for _, text := range texts {
		number(len(text))
		_, _ = h.Write([]byte(text))
	}
}

// Program tells this program from any other build of it: its first bytes have the build's ID, which says what is in it.
func Program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	head := make([]byte, min(32<<10, info.Size()))
	if _, err := io.ReadFull(f, head); err != nil {
		return "", err
	}
	sum := fnv.New128a() // it has to tell builds apart, and not to withstand anybody
	_, _ = sum.Write(head)
	return path + " " + strconv.FormatInt(info.Size(), 10) + " " + strconv.FormatInt(info.ModTime().UnixNano(), 10) + " " + string(sum.Sum(nil)), nil
}

// Keep replaces a file that nobody else can read, under another name until it is whole, as two may write at a time. Of the files of the folder it
// removes what was written the longest ago, where there are more than most.
func Keep(dir, name string, data []byte, most int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), in(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	forget(dir, most)
	return nil
}

func forget(dir string, most int) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= most {
		return
	}
	type file struct {
		name    string
		written int64
	}
	files := make([]file, 0, len(entries))
	for _, e := range entries { // each is looked at once: comparing them takes many times as many looks
		f := file{name: e.Name()}
		if info, err := e.Info(); err == nil {
			f.written = info.ModTime().UnixNano()
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int { return int(min(max(a.written-b.written, -1), 1)) })
	for _, f := range files[:len(files)-most] {
		_ = os.Remove(in(dir, f.name))
	}
}

// in is a file in a folder.
func in(dir, name string) string { return dir + string(os.PathSeparator) + name }
