package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// readEnvFiles merges the env files under the environment: those given by
// --env-file or COMPOSE_ENV_FILES, else .env in dir. What is set already wins.
func (w *location) readEnvFiles(dir string) Errors {
	given := w.o.EnvFiles
	if len(given) == 0 {
		given = list(w.env["COMPOSE_ENV_FILES"], ",")
	}
	if len(given) > 0 {
		if w.envFiles != nil {
			return nil // read already, and no folder changes them
		}
		for _, f := range given {
			w.envFiles = append(w.envFiles, w.abs(f))
		}
		return w.mergeEnv(w.envFiles)
	}
	if truth(w.env["COMPOSE_DISABLE_ENV_FILE"]) {
		return nil
	}
	file := filepath.Join(dir, ".env")
	w.looked = append(w.looked, input{inputText, file})
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return nil // nobody asked for it by name
	}
	return w.mergeEnv([]string{file})
}

func (w *location) mergeEnv(files []string) Errors {
	var errs Errors
	for _, file := range files {
		w.looked = append(w.looked, input{inputText, file})
		if problem := unreadable(file); problem != "" {
			errs = append(errs, &Error{File: w.show(file), Problem: problem, Hint: "it is named as env file"})
		} else if info, err := os.Stat(file); err == nil && info.Size() > maxFile {
			errs = append(errs, tooLarge(w.show(file)))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	vars, err := dotenv.GetEnvFromFile(w.env, files)
	if err != nil {
		return Errors{w.envError(files, err)}
	}
	w.env.Merge(vars)
	w.merged = append(w.merged, files...)
	return nil
}

// envError turns what the parser of env files says into a place and words.
func (w *location) envError(files []string, err error) *Error {
	e := &Error{Problem: err.Error()}
	for _, file := range files {
		if rest, ok := strings.CutPrefix(e.Problem, "failed to read "+file+": "); ok {
			e.File, e.Problem = w.show(file), rest
		}
	}
	m := envLine().FindStringSubmatch(e.Problem)
	if m == nil {
		return e
	}
	e.Line, _ = strconv.Atoi(m[1])
	e.Column, e.Problem = 1, m[2]
	if i := strings.Index(e.Problem, " near "); i > 0 {
		e.Problem = e.Problem[:i] // it would repeat the line, and with it a password
	}
	e.Hint = "write NAME=value, one a line"
	return e
}

var envLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)^line (\d+): (.*)$`) })
