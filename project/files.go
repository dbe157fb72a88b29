package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// resolveFiles brings env_file and label_file into the services that stay, and
// drops the keys, as docker compose does.
func (l *loading) resolveFiles(m *types.Project) (*types.Project, Errors) {
	var errs Errors
	needEnv, needLabels := false, false
	for _, name := range m.ServiceNames() {
		s := m.Services[name]
		needEnv = needEnv || needsEnvironment(s)
		for i, f := range s.EnvFiles {
			if !l.o.NoEnvResolution {
				errs = append(errs, l.missingFile(f.Path, bool(f.Required), "services", name, "env_file", index(i))...)
			}
		}
		for i, f := range s.LabelFiles {
			needLabels = true
			errs = append(errs, l.missingFile(f, true, "services", name, "label_file", index(i))...)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	var err error
	knowRawFormat()
	if needEnv && !l.o.NoEnvResolution {
		if m, err = m.WithServicesEnvironmentResolved(true); err != nil {
			return nil, Errors{l.envFileError(err)}
		}
	}
	if needLabels {
		// The resolved labels count; the key would only make the service's hash differ
		// from docker compose's.
		if m, err = m.WithServicesLabelsResolved(true); err != nil {
			return nil, Errors{l.envFileError(err)}
		}
	}
	return m, nil
}

// needsEnvironment says whether resolving would change anything: each
// resolving costs a deep copy of the model.
func needsEnvironment(s Service) bool {
	if len(s.EnvFiles) > 0 {
		return true
	}
	for _, v := range s.Environment {
		if v == nil {
			return true
		}
	}
	for _, h := range s.PreStart {
		if len(h.EnvFiles) > 0 || len(h.Environment) > 0 {
			return true
		}
	}
	return false
}

// missingFile is the error about a file that a path of the model names.
func (l *loading) missingFile(file string, required bool, path ...string) Errors {
	problem := unreadable(file)
	if problem == "" {
		if info, err := os.Stat(file); err == nil && info.Size() > maxFile {
			problem = tooLarge("").Problem
		}
	}
	if problem == "" || !required && problem == "no such file" {
		return nil
	}
	e := l.places.find(path...).at()
	e.Path, e.Problem = dotted(path[:len(path)-1]), quote(l.where.show(file))+": "+problem
	if path[2] == "env_file" && problem == "no such file" {
		e.Hint = "create it, or write {path: …, required: false}"
	}
	return Errors{e}
}

// envFileError is about the inside of an env file or label file.
func (l *loading) envFileError(err error) *Error {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "failed to read "); ok {
		if file, problem, ok := strings.Cut(rest, ": "); ok {
			return l.where.envError([]string{file}, fmt.Errorf("failed to read %s: %s", file, problem))
		}
	}
	return l.reworded(err)
}

// content fills in the digests of configs and secrets, and looks for the folders
// that images are built from.
func (l *loading) content(p *Project) ([]Warning, Errors) {
	p.Content = map[string]string{}
	if l.o.NoPathResolution || l.o.NoContent {
		return nil, nil // relative paths lead nowhere, or nobody asks
	}
	var lost Errors
	for _, key := range sortedKeys(p.Configs) {
		c := types.FileObjectConfig(p.Configs[key])
		lost = append(lost, l.contentOf(p, "configs", key, c)...)
	}
	for _, key := range sortedKeys(p.Secrets) {
		c := types.FileObjectConfig(p.Secrets[key])
		lost = append(lost, l.contentOf(p, "secrets", key, c)...)
	}
	if err := p.secretDigests(); err != nil {
		lost = append(lost, &Error{Problem: err.Error()})
	}
	var doubtful Errors // the image may be there or be pulled
	for _, name := range sortedKeys(p.Services) {
		if s := p.Services[name]; s.Image != "" {
			doubtful = append(doubtful, l.missingContext(name, s)...)
		} else {
			lost = append(lost, l.missingContext(name, s)...)
		}
	}
	if l.o.TolerateMissing {
		lost, doubtful = nil, append(lost, doubtful...)
	}
	warnings := make([]Warning, len(doubtful))
	for i, e := range doubtful {
		warnings[i] = Warning(*e)
	}
	return warnings, lost
}

// contentOf sets the digest of one config or secret. Nothing of the content gets
// into an error.
func (l *loading) contentOf(p *Project, section, key string, c types.FileObjectConfig) Errors {
	switch {
	case bool(c.External) || c.Driver != "":
		return nil
	case c.File != "":
		sum, err := digestPath(c.File)
		if err == nil {
			p.Content[section+"."+key] = sum
			return nil
		}
		e := l.places.find(section, key, "file").at()
		e.Path = section + "." + key + ".file"
		e.Problem = quote(l.where.show(c.File)) + ": " + fileProblem(err)
		return Errors{e}
	case c.Environment != "":
		value, ok := l.where.env[c.Environment]
		if ok || c.Content != "" {
			if c.Content != "" {
				value = c.Content
			}
			p.Content[section+"."+key] = digestText(value)
			return nil
		}
		e := l.places.find(section, key, "environment").at()
		e.Path = section + "." + key + ".environment"
		e.Problem, e.Hint = "variable "+c.Environment+" is not set", "set it in the environment or in .env"
		return Errors{e}
	}
	p.Content[section+"."+key] = digestText(c.Content)
	return nil
}

func fileProblem(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	return "cannot be read: " + cause(err)
}

// missingContext looks for a build's folder and Dockerfile.
func (l *loading) missingContext(name string, s Service) Errors {
	b := s.Build
	if b == nil || b.Context == "" || isRemote(b.Context) || strings.HasPrefix(b.Context, types.ServicePrefix) || !filepath.IsAbs(b.Context) {
		return nil
	}
	path := []string{"services", name, "build"}
	info, err := os.Stat(b.Context)
	if err != nil || !info.IsDir() {
		e := l.places.find(append(path, "context")...).at()
		e.Path = dotted(append(path, "context"))
		e.Problem = quote(l.where.show(b.Context)) + ": no such folder"
		if err == nil {
			e.Problem = quote(l.where.show(b.Context)) + " is a file, not a folder"
		}
		return Errors{e}
	}
	if b.DockerfileInline != "" || b.Dockerfile == "" {
		return nil
	}
	file := b.Dockerfile
	if !filepath.IsAbs(file) {
		file = filepath.Join(b.Context, file)
	}
	if problem := unreadable(file); problem != "" {
		e := l.places.find(append(path, "dockerfile")...).at()
		e.Path = dotted(append(path, "dockerfile"))
		e.Problem = quote(l.where.show(file)) + ": " + problem
		return Errors{e}
	}
	return nil
}

// SetConfig gives a config a text in place of what it has, such as what it had at an earlier time.
func (p *Project) SetConfig(key, text string) {
	c := p.Configs[key]
	c.File, c.Environment, c.Content = "", "", text
	p.Configs[key] = c
	p.Content["configs."+key] = digestText(text)
}

// ConfigBytes is the content of a config, read from its file where it has one; ok is false for one that only the
// engine has, and for one that is longer than most bytes.
func (p *Project) ConfigBytes(key string, most int64) (text string, ok bool, err error) {
	c := p.Configs[key]
	switch {
	case bool(c.External) || c.Driver != "":
		return "", false, nil
	case c.File == "" && c.Content == "" && c.Environment != "":
		return p.Environment[c.Environment], true, nil
	case c.File == "":
		return c.Content, true, nil
	}
	info, err := os.Stat(c.File)
	if err != nil || info.IsDir() || info.Size() > most {
		return "", false, err
	}
	data, err := os.ReadFile(c.File)
	return string(data), err == nil, err
}
