package swarm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// patience is how long something that is no longer wanted may take to go, beyond what it was given.
const patience = 30 * time.Second

// createObject makes a config or a secret. One of that name with other content is a conflict: it cannot be changed.
func (e *Engine) createObject(ctx context.Context, c *client.Client, a planner.CreateObject) error {
	data := []byte(a.Content)
	if a.Source != "" {
		text, err := os.ReadFile(a.Source)
		if err != nil {
			return docker.Refused(fmt.Sprintf("%s: %s cannot be read: %v", a.Key, a.Source, err), "make it, or correct "+a.Key+".file", err)
		}
		data = text
	}
	if limit := map[planner.Kind]int{planner.KindConfig: 1000 << 10, planner.KindSecret: 500 << 10}[a.Kind]; len(data) > limit {
		return docker.Refused(fmt.Sprintf("%s has %d bytes, and a swarm takes %d at most", a.Key, len(data), limit), "put it into the image or on a volume", nil)
	}
	annotations := swarm.Annotations{Name: a.Name, Labels: stackLabels(a.Labels, a.Project)}
	var err error
	switch a.Kind {
	case planner.KindConfig:
		_, err = c.ConfigCreate(ctx, swarm.ConfigSpec{Annotations: annotations, Data: data, Templating: driver(a.Template, nil)})
	default:
		_, err = c.SecretCreate(ctx, swarm.SecretSpec{Annotations: annotations, Data: data, Driver: driver(a.Driver, a.Options), Templating: driver(a.Template, nil)})
	}
	if err == nil {
		return nil
	}
	if cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err) || strings.Contains(err.Error(), "already exists") {
		return e.sameObject(ctx, c, a, data, err)
	}
	return e.explain(ctx, err, "create "+string(a.Kind), a.Name)
}

func driver(name string, options map[string]string) *swarm.Driver {
	if name == "" {
		return nil
	}
	return &swarm.Driver{Name: name, Options: options}
}

// sameObject makes sure of the content of what is there by the same name. Nobody is told that of a secret.
func (e *Engine) sameObject(ctx context.Context, c *client.Client, a planner.CreateObject, data []byte, cause error) error {
	if a.Kind != planner.KindConfig {
		return nil
	}
	there, _, err := c.ConfigInspectWithRaw(ctx, a.Name)
	if err != nil {
		return e.explain(ctx, err, "inspect config", a.Name)
	}
	if !bytes.Equal(there.Spec.Data, data) {
		return docker.Refused(fmt.Sprintf("config %s is there with other content, and cannot be changed", a.Name),
			"remove it with `docker config rm "+a.Name+"`, or give "+a.Key+" another name", cause)
	}
	return nil
}

// removeObject removes a config or a secret, unless something uses it.
func (e *Engine) removeObject(ctx context.Context, c *client.Client, a planner.RemoveObject) error {
	remove := c.SecretRemove
	if a.Kind == planner.KindConfig {
		remove = c.ConfigRemove
	}
	err := remove(ctx, a.Name)
	if cerrdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "is in use by") {
		return nil
	}
	return e.explain(ctx, err, "remove "+string(a.Kind), a.Name)
}

// createNetwork makes a network that reaches over all nodes, unless the file names another driver.
func (e *Engine) createNetwork(ctx context.Context, c *client.Client, a planner.CreateNetwork, report func(runner.Progress)) error {
	if a.Spec.Driver == "" {
		a.Spec.Driver = "overlay"
	}
	a.Labels = stackLabels(a.Labels, a.Labels[planner.LabelProject])
	if err := e.Engine.Apply(ctx, a, report); err != nil {
		return err
	}
	there, err := c.NetworkInspect(ctx, a.Name, network.InspectOptions{})
	if err != nil {
		return e.explain(ctx, err, "inspect network", a.Name)
	}
	if there.Scope == "swarm" {
		return nil
	}
	return docker.Refused(fmt.Sprintf("network %s is there, and is this node's alone", a.Name),
		"remove it with `docker network rm "+a.Name+"` (or bring the stack that uses it down), or give it another name", nil)
}

// removeNetwork removes a network once the tasks have left it, which a swarm notices some time after they have ended.
func (e *Engine) removeNetwork(ctx context.Context, c *client.Client, a planner.RemoveNetwork) error {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := 50 * time.Millisecond
	for {
		err := c.NetworkRemove(ctx, a.Name)
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		used := strings.Contains(err.Error(), "is in use by") || strings.Contains(err.Error(), "has active endpoints")
		if !used {
			return e.explain(ctx, err, "remove network", a.Name)
		}
		select {
		case <-wait.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return docker.Refused(fmt.Sprintf("network %s cannot be removed: %s", a.Name, said(docker.Said(err))),
				"stop and remove what uses it first, or keep the network", err)
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}
