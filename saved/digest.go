package saved

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/musterhq/muster/project"
)

// digest is what the file may say of a value: 24 bits, salted. It serves to name what differs and is no
// seal; whether a plan still holds is decided by its steps, which carry the config hashes. So short a digest
// fits one in 16 million values by chance, so that nobody who tries passwords on it learns which one is right.
func (s *Plan) digest(where string, value []byte) string {
	const kept = 3
	mac := hmac.New(sha256.New, []byte(s.Salt))
	mac.Write([]byte(where + "\x00"))
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil)[:kept])
}

// digestFiles digests the files that were named or found; "-" and what cannot be read are left out.
func (s *Plan) digestFiles(want *project.Project) map[string]string {
	out := map[string]string{}
	for _, file := range append(append([]string{filepath.Join(want.WorkingDir, ".env")}, want.Files...), want.EnvFiles...) {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		h := sha256.New()
		if _, err := io.Copy(h, f); err == nil {
			out[file] = s.digest(file, h.Sum(nil))
		}
		_ = f.Close()
	}
	return out
}

// digestModel digests each field of what the files declare, and the content of configs and secrets.
func (s *Plan) digestModel(want *project.Project) (map[string]string, error) {
	out := map[string]string{}
	take := func(path string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("digest %s: %w", path, err)
		}
		var tree any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&tree); err != nil {
			return fmt.Errorf("digest %s: %w", path, err)
		}
		return s.leaves(out, path, tree)
	}
	for _, part := range []struct {
		name   string
		values map[string]any
	}{
		{"services", boxed(want.Services)}, {"networks", boxed(want.Networks)}, {"volumes", boxed(want.Volumes)},
		{"configs", boxed(want.Configs)}, {"secrets", boxed(want.Secrets)},
	} {
		for key, v := range part.values {
			if err := take(part.name+"."+key, v); err != nil {
				return nil, err
			}
		}
	}
	for key, sum := range want.Content {
		out[key+".content"] = s.digest(key, []byte(sum))
	}
	return out, nil
}

func boxed[V any](m map[string]V) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// leaves digests the scalars of a tree, each under its path. A thing with nothing in it has a digest of its own.
func (s *Plan) leaves(out map[string]string, path string, tree any) error {
	switch t := tree.(type) {
	case map[string]any:
		for key, v := range t {
			if err := s.leaves(out, path+"."+key, v); err != nil {
				return err
			}
		}
		if len(t) > 0 {
			return nil
		}
	case []any:
		for i, v := range t {
			if err := s.leaves(out, path+"."+strconv.Itoa(i), v); err != nil {
				return err
			}
		}
		if len(t) > 0 {
			return nil
		}
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("digest %s: %w", path, err)
	}
	out[path] = s.digest(path, text)
	return nil
}
