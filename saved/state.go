package saved

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
)

// Facts are what is known of one resource on the engine, by field, as text.
type Facts map[string]string

// factsOf writes a state down. Only what a plan rests on is in it, and nothing that moves by itself: addresses that the
// engine gives, how long something has been running, and the verdict of a health check are left out. Of labels there are
// digests, since they may have anything in them.
func factsOf(have planner.State, digest func(string, []byte) string) map[string]Facts {
	out := map[string]Facts{"engine": {"name": have.Engine.Name, "os": have.Engine.OS}}
	for _, c := range have.Containers {
		out["container "+c.Name] = containerFacts(c, digest)
	}
	for _, n := range have.Networks {
		facts := Facts{"id": short(n.ID), "driver": n.Driver}
		labelFacts(facts, "network "+n.Name, n.Labels, digest)
		out["network "+n.Name] = facts
	}
	for _, v := range have.Volumes {
		facts := Facts{"driver": v.Driver}
		labelFacts(facts, "volume "+v.Name, v.Labels, digest)
		out["volume "+v.Name] = facts
	}
	for _, i := range have.Images {
		for _, tag := range i.Tags {
			out["image "+tag] = Facts{"id": short(i.ID)}
		}
	}
	return out
}

func containerFacts(c planner.Container, digest func(string, []byte) string) Facts {
	facts := Facts{"id": short(c.ID), "image": c.Image, "image content": short(c.ImageID), "status": string(c.Status)}
	for key, other := range c.Joined {
		facts["joined."+key] = short(other)
	}
	for _, e := range c.Endpoints {
		aliases := slices.DeleteFunc(slices.Clone(e.Aliases), func(a string) bool { return strings.HasPrefix(c.ID, a) })
		slices.Sort(aliases)
		facts["networks."+e.Network] = strings.Join(slices.Compact(aliases), ",")
	}
	for _, m := range c.Mounts {
		facts["mounts."+m.Target] = strings.TrimSpace(m.Type + " " + m.Name + m.Source)
	}
	if c.Settings != nil {
		for key, value := range settingFacts(*c.Settings) {
			facts[key] = value
		}
	}
	labelFacts(facts, "container "+c.Name, c.Labels, digest)
	return facts
}

// settingFacts are limits and the restart policy by the names that the plan's JSON has for them.
func settingFacts(s planner.Settings) Facts {
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(text, &values) != nil {
		return nil
	}
	out := Facts{}
	for key, value := range values {
		out[key] = strings.Trim(string(value), `"`)
	}
	return out
}

func labelFacts(facts Facts, of string, labels map[string]string, digest func(string, []byte) string) {
	for key, value := range labels {
		facts["labels."+key] = digest(of+" "+key, []byte(value))
	}
}

// short is an ID as people see it.
func short(id string) string {
	const shown = 12
	sum, isDigest := strings.CutPrefix(id, "sha256:")
	if len(sum) > shown {
		sum = sum[:shown]
	}
	if isDigest {
		return "sha256:" + sum
	}
	return sum
}

// moved says in what two states differ, a line each, sorted by resource.
func moved(was, is map[string]Facts) []string {
	var out []string
	for _, name := range union(was, is) {
		before, had := was[name]
		now, has := is[name]
		switch {
		case !had:
			out = append(out, name+": is new")
		case !has:
			out = append(out, name+": is gone")
		case before["id"] != now["id"] && !strings.HasPrefix(name, "image "):
			out = append(out, name+": was made anew")
		default:
			out = append(out, movedFields(name, before, now)...)
		}
	}
	return out
}

func movedFields(name string, before, now Facts) []string {
	var out []string
	for _, field := range union(before, now) {
		from, to := before[field], now[field]
		switch _, had := before[field]; {
		case from == to && had == has(now, field):
		case strings.HasPrefix(field, "labels."):
			out = append(out, fmt.Sprintf("%s: label %s %s", name, strings.TrimPrefix(field, "labels."), change(had, has(now, field))))
		case from == "" || to == "":
			out = append(out, fmt.Sprintf("%s: %s %s", name, field, change(had, has(now, field))))
		default:
			out = append(out, fmt.Sprintf("%s: %s %s → %s", name, field, from, to))
		}
	}
	return out
}

func has(facts Facts, field string) bool { _, ok := facts[field]; return ok }

// change is what became of something whose values are not shown.
func change(had, has bool) string {
	switch {
	case !had:
		return "is new"
	case !has:
		return "is gone"
	}
	return "has changed"
}
