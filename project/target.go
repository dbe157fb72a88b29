package project

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// The kinds of engine that a project can be for.
const (
	TargetDocker = "docker" // one engine, container by container
	TargetSwarm  = "swarm"  // Docker's swarm mode, service by service
)

// targetVariable chooses the kind of engine where no flag does.
const targetVariable = "MUSTER_TARGET"

// target is the kind of engine that is meant: by the flag, then by the environment, then by the files, then by what the engine that is
// connected to is for.
func (w *location) target(src []*document) (string, error) {
	name, e := w.o.Target, &Error{Path: "--target"}
	if name == "" {
		name, e = w.env[targetVariable], &Error{Path: targetVariable}
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
		return cmp.Or(w.o.Fallback, TargetDocker), nil
	}
	if !slices.Contains(Targets(), name) {
		e.Problem, e.Hint = quote(name)+" is no kind of engine", fmt.Sprintf("there are %s", strings.Join(Targets(), ", "))
		return "", Errors{e}
	}
	return name, nil
}

// FindTarget finds the kind of engine that is meant without reading more than it must, also where there are no files.
func FindTarget(ctx context.Context, o Options) (string, error) {
	where, err := locate(ctx, o)
	if err != nil || len(where.files) == 0 {
		return where.target(nil)
	}
	src, err := where.read(o.Stdin)
	if err != nil {
		return where.target(nil)
	}
	return where.target(src)
}
