package project

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/scrypt"
)

// The digests of what goes into a container are written into labels, so that a change of
// content is seen without reading the container. Labels travel further than the engine: monitoring
// exports them, and people paste them into bug reports. A plain digest of a weak secret
// would give the secret away there: one tries what people use as passwords until the digest
// fits.
//
// So a secret's digest is
//
//   - slow: scrypt, 16 MiB and some 40 ms for each try, also for who has graphics cards;
//   - salted with the project and the secret's name, so that no table serves twice and the
//     same password in two places does not show;
//   - short: 24 bits. Of 16 million words that somebody tries one fits by chance, so that a
//     fit proves nothing, and of a strong secret next to nothing is said. A change goes
//     unnoticed once in 16 million times, which is what the shortness costs.
//
// It depends on nothing else, because any machine has to come to the same digest as the one
// that made the container: there is no key that could be lost. A random salt in the label would
// be as good, but then the planner had to hash, and the same files would not make the same
// labels.

// secretDigests replaces the plain digests of secrets, all at a time.
func (p *Project) secretDigests() error {
	type made struct {
		name, digest string
		err          error
	}
	results := make(chan made, len(p.Secrets))
	var wait sync.WaitGroup
	for key := range p.Secrets {
		name := "secrets." + key
		plain, ok := p.Content[name]
		if !ok {
			continue // external, or its file is missing and may be
		}
		wait.Go(func() {
			digest, err := secretDigest(p.Name, name, plain)
			results <- made{name, digest, err}
		})
	}
	wait.Wait()
	close(results)
	for r := range results {
		if r.err != nil {
			return r.err
		}
		p.Content[r.name] = r.digest
	}
	return nil
}

// SlowDigest is what a label may say of something that may be secret.
func SlowDigest(project, name, content string) (string, error) {
	return secretDigest(project, name, digestText(content))
}

// secretDigest is what a label may say of a secret, from the digest of its content.
func secretDigest(project, name, plain string) (string, error) {
	const cost, blocks, parallel, bytes = 1 << 14, 8, 1, 3
	key, err := scrypt.Key([]byte(plain), []byte("muster.content\x00"+project+"\x00"+name), cost, blocks, parallel, bytes)
	if err != nil {
		return "", fmt.Errorf("digest %s: %w", name, err)
	}
	return "scrypt:" + hex.EncodeToString(key), nil
}

func digestText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// digestPath digests a file, or a folder's files with their names and permissions.
func digestPath(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if info.IsDir() {
		err = digestTree(h, path)
	} else {
		err = digestFile(h, path)
	}
	if err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

func digestFile(h hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(h, f)
	return err
}

func digestTree(h hash.Hash, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(h, "%d:%s %s\n", len(rel), rel, d.Type())
		if !d.Type().IsRegular() {
			return nil
		}
		return digestFile(h, path)
	})
}
