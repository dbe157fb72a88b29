package buildkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/solver/errdefs"
)

// Failure is a build that did not work.
type Failure struct {
	// File and Line say where in the Dockerfile, and Text what stands there; 0 where it is not known.
	File  string
	Line  int
	Text  string
	Cause error
}

// noise is what BuildKit says of itself before it comes to the point.
var noise = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`failed to solve( with frontend dockerfile\.v0)?: |failed to create LLB definition: |failed to calculate checksum of ref \S+: |dockerfile parse error (on )?line \d+: `)
})

// Error gives the place and BuildKit's words.
func (f *Failure) Error() string {
	text := noise().ReplaceAllString(f.Cause.Error(), "")
	if f.Line == 0 {
		return text
	}
	place := fmt.Sprintf("%s:%d", f.File, f.Line)
	if f.Text != "" {
		place += fmt.Sprintf(" (%s)", f.Text)
	}
	return place + ": " + text
}

// Unwrap gives BuildKit's own error.
func (f *Failure) Unwrap() error { return f.Cause }

// explain finds the place in the Dockerfile.
func explain(err error, r Request) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	out := &Failure{Cause: err}
	for _, s := range errdefs.Sources(err) {
		out.at(s, r)
	}
	if found := parseError().FindStringSubmatch(err.Error()); out.Line == 0 && found != nil {
		// An old BuildKit has the place in its words only.
		out.File = r.file("")
		out.Line, _ = strconv.Atoi(found[1])
		text, _ := os.ReadFile(out.File) // it may be far away
		if r.Inline != "" {
			text = []byte(r.Inline)
		}
		out.Text = line(text, out.Line)
	}
	return out
}

// at notes the place that BuildKit gives, where it gives one.
func (f *Failure) at(s *errdefs.Source, r Request) {
	if s.Info == nil || len(s.Ranges) == 0 {
		return
	}
	f.File, f.Line = r.file(s.Info.Filename), int(s.Ranges[0].Start.Line)
	f.Text = line(s.Info.Data, f.Line)
}

var parseError = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`dockerfile parse error (?:on )?line (\d+): `) })

// line is one line of a text, shortened to what a message has room for; empty where there is none.
func line(text []byte, number int) string {
	lines := strings.Split(string(text), "\n")
	if number < 1 || number > len(lines) {
		return ""
	}
	const most = 100
	words := []rune(strings.TrimSpace(lines[number-1]))
	if len(words) > most {
		return string(words[:most-1]) + "…"
	}
	return string(words)
}

// file is where a Dockerfile is that BuildKit knows by its last name only, or not at all.
func (r Request) file(name string) string {
	path := r.Dockerfile
	if path == "" {
		path = "Dockerfile"
	}
	switch {
	case r.Inline != "":
		return "dockerfile_inline"
	case filepath.IsAbs(path):
	case IsRemote(r.Context):
		return path
	default:
		path = filepath.Join(r.Context, path)
	}
	if name != "" && filepath.Base(path) != name {
		return name
	}
	return path
}
