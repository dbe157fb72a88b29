package project

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of engine that a project can be for.
const (
	TargetDocker = "docker" // one engine, container by container
	TargetSwarm  = "swarm"  // Docker's swarm mode, service by service
)

// TargetVariable chooses the kind of engine where no flag does.
const TargetVariable = "MUSTER_TARGET"

// target is the kind of engine that is meant: by the flag, then by the environment, then by the files.
func (w *location) target(src []*document) (string, error) {
	name, e := w.o.Target, &Error{Path: "--target"}
	if name == "" {
		name, e = w.env[TargetVariable], &Error{Path: TargetVariable}
	}
	for i := len(src) - 1; i >= 0 && name == ""; i-- {
		node := src[i].topLevelMuster("target")
		if node == nil {
			continue
		}
		e = &Error{File: src[i].name, Line: node.Line, Column: node.Column, Path: extensionKey + ".target"}
		var err error
		if name, err = w.substituted(e, node.Value); err != nil {
			return "", err
		}
	}
	if name == "" {
		return TargetDocker, nil
	}
	if !slices.Contains(Targets(), name) {
		e.Problem, e.Hint = quote(name)+" is no kind of engine", fmt.Sprintf("there are %s", strings.Join(Targets(), ", "))
		return "", Errors{e}
	}
	return name, nil
}

// TargetOf is the kind of engine that a flag or else MUSTER_TARGET asks for, for where there are no files.
func TargetOf(flag, variable string) (string, error) {
	w := &location{o: Options{Target: flag}, env: map[string]string{TargetVariable: variable}}
	return w.target(nil)
}
