package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/mattn/go-shellwords"

	"github.com/musterhq/muster/project"
)

// asRun is a service as the flags of run have it. The project's own is left as it is.
func (p *program) asRun(want *project.Project, o runOptions, name string, command []string) (project.Service, error) {
	s := want.Services[name]
	s.Name = name
	if o.entrypointGiven {
		words, err := shellwords.Parse(o.entrypoint)
		if err != nil {
			return s, &usageError{problem: fmt.Sprintf("invalid --entrypoint %q: %v", o.entrypoint, err)}
		}
		// The command in the file is for the entrypoint in the file.
		s.Entrypoint, s.Command = types.ShellCommand(words), types.ShellCommand{}
	}
	if len(command) > 0 {
		s.Command = command
	}
	s.Tty, s.StdinOpen = p.wantsTerminal(o.noTerminal, o.terminal), o.interactive
	if o.user != "" {
		s.User = o.user
	}
	if o.workdir != "" {
		s.WorkingDir = o.workdir
	}
	s.CapAdd = slices.Concat(s.CapAdd, o.capAdd)
	s.CapDrop = slices.Concat(s.CapDrop, o.capDrop)
	var err error
	if s.Environment, err = p.variables(want, s, o); err != nil {
		return s, err
	}
	if s.Labels, err = labelled(s.Labels, o.labels); err != nil {
		return s, err
	}
	if s.Ports, err = o.ports(s.Ports); err != nil {
		return s, err
	}
	s.Volumes, err = mounted(s.Volumes, o.volumes)
	return s, err
}

// variables are the service's, with those of files and then those of flags on top. One that is named without a value has
// the one that it has here; where it has none it stays as it is.
func (p *program) variables(want *project.Project, s project.Service, o runOptions) (types.MappingWithEquals, error) {
	out := maps.Clone(s.Environment)
	if out == nil {
		out = types.MappingWithEquals{}
	}
	for _, file := range o.envFiles {
		read, err := dotenv.GetEnvFromFile(want.Environment, []string{file})
		if err != nil {
			return nil, &usageError{problem: fmt.Sprintf("read variables from %s: %v", file, err)}
		}
		for key, value := range read {
			out[key] = &value
		}
	}
	for _, v := range o.environment {
		key, value, given := strings.Cut(v, "=")
		if !given {
			if value, given = want.Environment[key]; !given {
				continue
			}
		}
		out[key] = &value
	}
	return out, nil
}

// labelled adds labels in the form KEY=VALUE.
func labelled(have types.Labels, more []string) (types.Labels, error) {
	out := maps.Clone(have)
	if out == nil {
		out = types.Labels{}
	}
	for _, l := range more {
		key, value, ok := strings.Cut(l, "=")
		if !ok || key == "" {
			return nil, &usageError{problem: fmt.Sprintf("label must be set as KEY=VALUE (found: %q)", l)}
		}
		out[key] = value
	}
	return out, nil
}

// ports are those to publish: none unless they were asked for, since the service's own containers have them.
func (o runOptions) ports(of []types.ServicePortConfig) ([]types.ServicePortConfig, error) {
	if o.servicePorts {
		return of, nil
	}
	var out []types.ServicePortConfig
	for _, text := range o.publish {
		ports, err := types.ParsePortConfig(text)
		if err != nil {
			return nil, &usageError{problem: fmt.Sprintf("invalid --publish %q: %v", text, err), hint: "write HOST:CONTAINER, such as 8080:80"}
		}
		out = append(out, ports...)
	}
	return out, nil
}

// mounted adds mounts in the short form; one at the same place as another takes that place.
func mounted(have []types.ServiceVolumeConfig, more []string) ([]types.ServiceVolumeConfig, error) {
	out := slices.Clone(have)
	for _, text := range more {
		v, err := format.ParseVolume(text)
		if err != nil {
			return nil, &usageError{problem: fmt.Sprintf("invalid --volume %q: %v", text, err), hint: "write SOURCE:TARGET, such as ./src:/src"}
		}
		if v.Type == types.VolumeTypeBind {
			if v.Source, err = filepath.Abs(v.Source); err != nil {
				return nil, err
			}
		}
		out = slices.DeleteFunc(out, func(other types.ServiceVolumeConfig) bool { return other.Target == v.Target })
		out = append(out, v)
	}
	return out, nil
}
