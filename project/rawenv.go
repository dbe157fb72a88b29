package project

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// knowRawFormat teaches compose-go the format raw of env_file, which the specification names and compose-go
// leaves to its users. Its list of formats is global and has no lock.
var knowRawFormat = sync.OnceFunc(func() { dotenv.RegisterFormat("raw", parseRawEnv) })

// parseRawEnv reads KEY=VALUE lines as `docker run --env-file` does: values count to the end of the line, quotes, blanks
// and dollars included. A bare KEY takes its value from outside, where there is one.
func parseRawEnv(r io.Reader, filename string, vars map[string]string, lookup func(string) (string, bool)) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxFile)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimLeft(strings.TrimPrefix(scanner.Text(), "\ufeff"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if key == "" || strings.ContainsAny(key, " \t") {
			return fmt.Errorf("failed to read %s: line %d: a name is missing or has a space in it", filename, n) // the line may be a password
		}
		if !found {
			var known bool
			if value, known = lookup(key); !known {
				continue
			}
		}
		vars[key] = value
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("failed to read %s: %w", filename, err)
	}
	return nil
}
