// Package atomicfile writes files that are there as a whole or not at all.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts a file that only its owner can read in the place of the one that was there, and makes its folder where there is none.
// It has another name, with a dot at its beginning, until it is whole: somebody else may read or write it at the same time.
func Write(file string, text []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	made, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // with 0600
	if err != nil {
		return err
	}
	_, err = made.Write(text)
	if err = errors.Join(err, made.Close()); err == nil {
		err = os.Rename(made.Name(), file)
	}
	if err != nil {
		_ = os.Remove(made.Name())
	}
	return err
}
