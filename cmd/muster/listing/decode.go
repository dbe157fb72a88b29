package listing

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/runner/docker/entry"
)

// brief is what the forms need that show neither labels nor what is mounted nor networks. To make all of these takes more memory than the rest of an
// early ps, and memory that is new from the kernel is what such a short run spends its time on.
type brief struct {
	ID             string
	Names          []string
	Image, Command string
	Created        int64
	State, Status  string
	Labels         ownLabels
	Ports          []struct {
		IP, Type                string
		PrivatePort, PublicPort uint16
	}
}

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

// Decode reads an engine's list of the containers of a stack, as far as a form shows it.
func Decode(body []byte, as Form) (out []Container, err error) {
	if as == JSON {
		out, err = decode[listed](body)
	} else {
		out, err = decode[brief](body)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func decode[T interface{ container() Container }](body []byte) ([]Container, error) {
	var list []T
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	out := make([]Container, 0, len(list))
	for _, l := range list {
		if c := l.container(); !entry.Inherited(c.Labels) {
			out = append(out, c)
		}
	}
	return out, nil
}

// ownLabels are those by which a container is known.
type ownLabels map[string]string

// UnmarshalJSON reads them out of all.
func (l *ownLabels) UnmarshalJSON(text []byte) error {
	if *l == nil { // else they are there twice, and all of them count
		*l = make(ownLabels, 4)
	}
	rest := bytes.TrimSpace(text)
	for first := true; ; first = false {
		key, after, ok := nextString(rest, first, '{', ',')
		if !ok {
			break
		}
		value, after, ok := nextString(after, true, ':', 0)
		if !ok || bytes.IndexByte(key, '\\') >= 0 {
			return json.Unmarshal(text, (*map[string]string)(l)) // what is written in another way, or is no text
		}
		rest = after
		switch name := string(key[1 : len(key)-1]); name {
		case entry.LabelService, entry.LabelNumber, entry.LabelOneOff, entry.LabelConfigHash:
			var is string
			if err := json.Unmarshal(value, &is); err != nil {
				return err
			}
			(*l)[name] = is
		}
	}
	if string(bytes.TrimSpace(rest)) == "}" {
		return nil
	}
	return json.Unmarshal(text, (*map[string]string)(l))
}

// nextString is the string, in its quotes, that comes after one of two signs.
func nextString(text []byte, first bool, sign, other byte) (quoted, rest []byte, ok bool) {
	if !first {
		sign = other
	}
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 || text[0] != sign {
		return nil, text, false
	}
	text = bytes.TrimLeft(text[1:], " \t\r\n")
	if len(text) == 0 || text[0] != '"' {
		return nil, text, false
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i+1], text[i+1:], true
		}
	}
	return nil, text, false
}

func (b brief) container() Container {
	return listed{
		ID: b.ID, Names: b.Names, Image: b.Image, Command: b.Command, Created: b.Created, State: b.State, Status: b.Status, Labels: b.Labels, Ports: b.Ports,
	}.container()
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
