package planner

import (
	"strconv"
	"strings"
	"time"
)

// tidy makes an empty list or map the same as none. An empty command is not: it clears the image's.
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	// Scalars are comparable; what is not is not equal to one.
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// bytesText prints a size as people write it: 64M and not 67108864.
func bytesText(s string) (string, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return "", false
	}
	for _, u := range []struct {
		size int64
		unit string
	}{{1 << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.unit, true
		}
	}
	return strconv.FormatInt(n, 10), true
}

// short makes a digest readable: sha256:9f2c1a4b….
func short(digest string) string {
	const shown = 12
	name, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= shown {
		return digest
	}
	return name + ":" + hex[:shown] + "…"
}

// duration prints a time span without trailing zero units.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
