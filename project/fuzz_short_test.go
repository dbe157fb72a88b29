package project

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// shortSyntaxes are the keys of a service whose value, or an element of it, is a little language of its own, each with a
// text that it takes.
func shortSyntaxes() [][2]string {
	return [][2]string{
		{"ports[]", "127.0.0.1:8000-8009:80-89/udp"}, {"volumes[]", "./src:/dst:ro,z"}, {"devices[]", "/dev/a:/dev/b:rwm"}, {"expose[]", "80-90/tcp"},
		{"extra_hosts[]", "host=[::1]"}, {"environment[]", "A=b"}, {"labels[]", "a=b"}, {"secrets[]", "s"}, {"configs[]", "s"}, {"tmpfs[]", "/run:size=64m"},
		{"links[]", "db:database"}, {"volumes_from[]", "container:x:ro"}, {"dns[]", "::1"}, {"env_file[]", ".env"}, {"security_opt[]", "seccomp:unconfined"},
		{"networks[]", "front"}, {"depends_on[]", "db"}, {"sysctls[]", "a=1"}, {"group_add[]", "staff"}, {"storage_opt[]", "size=1g"}, {"gpus", "all"},
		{"command", "sh -c 'a b'"}, {"entrypoint", `"a b" c`}, {"mem_limit", "64 mb"}, {"shm_size", "1g"}, {"cpus", "0.5"}, {"stop_grace_period", "1m30s"},
		{"restart", "on-failure:3"}, {"network_mode", "service:db"}, {"ipc", "container:x"}, {"pid", "host"}, {"pull_policy", "every_2d12h"},
		{"pull_refresh_after", "1w"}, {"platform", "linux/arm64/v8"}, {"user", "1000:1000"}, {"image", "a.b/c:d@sha256:0"}, {"mac_address", "02:00:00:00:00:01"},
		{"ulimits", "nofile"}, {"build", "https://example.com/a.git#b:c"}, {"extends", "base"}, {"memswap_limit", "-1"}, {"stop_signal", "SIGRTMIN+3"},
	}
}

// FuzzShortSyntax puts any text where a short syntax stands: the answer is a project, or errors with their place in the
// file and never a crash.
func FuzzShortSyntax(f *testing.F) {
	keys := shortSyntaxes()
	for i, k := range keys {
		f.Add(uint8(i), k[1])
		f.Add(uint8(i), "${A"+k[1]+"}")
		f.Add(uint8(i), strings.ToUpper(k[1])+":")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if !utf8.ValidString(text) {
			t.Skip("YAML has it only as binary, which is nothing that people write")
		}
		var value any = text
		key, isList := strings.CutSuffix(keys[int(which)%len(keys)][0], "[]")
		if isList {
			value = []any{text}
		}
		file, err := yaml.Marshal(map[string]any{"services": map[string]any{"web": map[string]any{"image": "x", key: value}}})
		if err != nil {
			t.Skip("no YAML has it")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = Load(ctx, Options{Files: []string{"-"}, Stdin: strings.NewReader(string(file)), Cwd: dir, Environ: []string{"A=1"}, TolerateMissing: true})
		var errs Errors
		if err == nil || !errors.As(err, &errs) {
			if err != nil {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		for _, e := range errs {
			if e.Problem == "" || e.Line < 1 || e.Column < 1 || strings.Contains(e.Problem, "crashed") {
				t.Errorf("%s: %+v", file, e)
			}
		}
	})
}
