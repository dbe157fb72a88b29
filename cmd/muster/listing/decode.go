package listing

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/runner/docker/entry"
)

// listed is an entry of the engine's list. What has another type than here is no list: the numbers are as wide as the engine's.
type listed struct {
	ID              string
	Names           []string
	Image, Command  string
	Created         int64
	State, Status   string
	Labels          map[string]string
	NetworkSettings *struct{ Networks map[string]*struct{} }
	Mounts          []struct{ Type, Name, Source, Destination string }
	Ports           []struct {
		IP, Type                string
		PrivatePort, PublicPort uint16
	}
}

// Decode reads an engine's list of the containers of a stack.
func Decode(body []byte) ([]Container, error) {
	var list []listed
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	out := make([]Container, 0, len(list))
	for _, l := range list {
		if !entry.Inherited(l.Labels) {
			out = append(out, l.container())
		}
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (l listed) container() Container {
	c := Container{
		ID: l.ID, Name: entry.Name(l.Names), Service: l.Labels[entry.LabelService], Image: l.Image, Command: l.Command,
		Status: entry.State(l.State), Since: l.Status, Health: entry.Health(l.Status), OneOff: entry.IsOneOff(l.Labels),
		ExitCode: entry.ExitCode(l.Status), Created: time.Unix(l.Created, 0).UTC(), Labels: l.Labels,
	}
	if l.NetworkSettings != nil {
		for _, name := range slices.Sorted(maps.Keys(l.NetworkSettings.Networks)) {
			if l.NetworkSettings.Networks[name] != nil {
				c.Networks = append(c.Networks, name)
			}
		}
	}
	slices.SortFunc(l.Mounts, func(a, b struct{ Type, Name, Source, Destination string }) int {
		return strings.Compare(a.Destination, b.Destination)
	})
	for _, m := range l.Mounts {
		c.Mounts = append(c.Mounts, Mount{Type: m.Type, Name: m.Name, Source: m.Source})
	}
	for _, p := range l.Ports {
		c.Ports = append(c.Ports, Port{HostIP: p.IP, Published: int(p.PublicPort), Target: int(p.PrivatePort), Protocol: p.Type})
	}
	return c
}
