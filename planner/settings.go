package planner

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project"
)

// Settings are what of a container an engine can change while it runs: limits and the restart
// policy. 0 and "" are: none. An engine cannot take most limits away again once they are set.
//
// Labels cannot be changed, so after a change in place a container's record is out of date and
// only these say how it is.
type Settings struct {
	NanoCPUs           int64  `json:"nano_cpus,omitempty"` // billionths of a CPU
	CPUShares          int64  `json:"cpu_shares,omitempty"`
	CPUPeriod          int64  `json:"cpu_period,omitempty"` // microseconds, as the others of the scheduler
	CPUQuota           int64  `json:"cpu_quota,omitempty"`
	CPURealtimePeriod  int64  `json:"cpu_rt_period,omitempty"`
	CPURealtimeRuntime int64  `json:"cpu_rt_runtime,omitempty"`
	CPUSet             string `json:"cpuset,omitempty"`
	Memory             int64  `json:"memory,omitempty"` // bytes, as the next two
	MemoryReservation  int64  `json:"memory_reservation,omitempty"`
	MemorySwap         int64  `json:"memory_swap,omitempty"` // with Memory in it; -1 is no bound
	Pids               int64  `json:"pids,omitempty"`
	BlkioWeight        int64  `json:"blkio_weight,omitempty"`
	// Restart is no, always, unless-stopped, on-failure or on-failure:ATTEMPTS; never empty.
	Restart string `json:"restart"`
}

// SettingsOf are the settings that a service asks for.
func SettingsOf(s project.Service) (Settings, error) {
	text, err := project.Spec(s)
	if err != nil {
		return Settings{}, err
	}
	spec, err := tree(string(text))
	if err != nil {
		return Settings{}, err
	}
	return settingsOf(spec), nil
}

// usualSwap says whether the swap limit is the one that an engine gives a container that asks for none.
func (s Settings) usualSwap() bool { return s.Memory == 0 || s.MemorySwap == 2*s.Memory }

// settingsOf reads them from a canonical spec, that of the file or a recorded one. What deploy says
// goes before the plain keys.
func settingsOf(spec map[string]any) Settings {
	number := func(keys ...string) int64 { return int64(amount(spec, keys)) }
	return Settings{
		NanoCPUs:           int64(math.Round(amount(spec, []string{"deploy.resources.limits.cpus", "cpus"}) * 1e9)),
		CPUShares:          number("cpu_shares"),
		CPUPeriod:          number("cpu_period"),
		CPUQuota:           number("cpu_quota"),
		CPURealtimePeriod:  number("cpu_rt_period"),
		CPURealtimeRuntime: number("cpu_rt_runtime"),
		CPUSet:             textAt(spec, "cpuset"),
		Memory:             number("deploy.resources.limits.memory", "mem_limit"),
		MemoryReservation:  number("deploy.resources.reservations.memory", "mem_reservation"),
		MemorySwap:         number("memswap_limit"),
		Pids:               max(0, number("deploy.resources.limits.pids", "pids_limit")),
		BlkioWeight:        number("blkio_config.weight"),
		Restart:            restartOf(spec),
	}
}

// restartOf is the restart policy, in the short form of restart.
func restartOf(spec map[string]any) string {
	policy, ok := valueAt(spec, "deploy.restart_policy").(map[string]any)
	if !ok {
		return RestartText(textAt(spec, "restart"), 0)
	}
	switch condition := field(policy, "condition"); condition {
	case "none":
		return "no"
	case "any", "":
		return "always"
	default:
		return RestartText(condition, int(amount(policy, []string{"max_attempts"})))
	}
}

// RestartText is a restart policy as [Settings] has it. 0 attempts are as many as it takes.
func RestartText(name string, attempts int) string {
	name = strings.TrimSuffix(name, ":0")
	switch {
	case name == "":
		return "no"
	case name == "on-failure" && attempts > 0:
		return name + ":" + strconv.Itoa(attempts)
	}
	return name
}

func valueAt(spec map[string]any, path string) any {
	for {
		key, rest, more := strings.Cut(path, ".")
		if !more {
			return spec[key]
		}
		next, ok := spec[key].(map[string]any)
		if !ok {
			return nil
		}
		spec, path = next, rest
	}
}

func textAt(spec map[string]any, path string) string {
	v := valueAt(spec, path)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// amount is the number at the first of the paths that has one other than 0.
func amount(spec map[string]any, paths []string) float64 {
	for _, p := range paths {
		if n, err := strconv.ParseFloat(textAt(spec, p), 64); err == nil && n != 0 {
			return n
		}
	}
	return 0
}

// setting is how one of the settings is compared.
type setting struct {
	keys []string            // in the file, the stronger first
	at   func(*Settings) any // an *int64 or a *string
	// text is the value for people; nil is the value itself.
	text func(string) string
	// loose: where the file says nothing the engine may choose.
	loose bool
	// lifted: the engine can take it away.
	lifted bool
	// picky: an engine may discard it without an error, so that only what is there can be changed.
	picky bool
}

// value tells two apart; empty is none.
func (x setting) value(s Settings) string {
	switch v := x.at(&s).(type) {
	case *int64:
		if *v != 0 {
			return strconv.FormatInt(*v, 10)
		}
	case *string:
		return *v
	}
	return ""
}

// fits says whether a value is as the file, or a record, asks for it.
func (x setting) fits(asked, value string) bool { return asked == value || asked == "" && x.loose }

// copy takes one setting over.
func (x setting) copy(to *Settings, from Settings) {
	switch v := x.at(to).(type) {
	case *int64:
		*v = *x.at(&from).(*int64)
	case *string:
		*v = *x.at(&from).(*string)
	}
}

func sizeText(digits string) string {
	if text, ok := bytesText(digits); ok {
		return text
	}
	return digits
}

func cpusText(nano string) string {
	n, err := strconv.ParseFloat(nano, 64)
	if err != nil {
		return nano
	}
	return strconv.FormatFloat(n/1e9, 'f', -1, 64)
}

// settingTable has a row for each setting: what is not in it is changed by replacing the container.
func settingTable() []setting {
	return []setting{
		{keys: []string{"deploy.resources.limits.cpus", "cpus"}, at: func(s *Settings) any { return &s.NanoCPUs }, text: cpusText},
		{keys: []string{"cpu_shares"}, at: func(s *Settings) any { return &s.CPUShares }},
		{keys: []string{"cpu_period"}, at: func(s *Settings) any { return &s.CPUPeriod }},
		{keys: []string{"cpu_quota"}, at: func(s *Settings) any { return &s.CPUQuota }},
		{keys: []string{"cpu_rt_period"}, at: func(s *Settings) any { return &s.CPURealtimePeriod }},
		{keys: []string{"cpu_rt_runtime"}, at: func(s *Settings) any { return &s.CPURealtimeRuntime }},
		{keys: []string{"cpuset"}, at: func(s *Settings) any { return &s.CPUSet }},
		{keys: []string{"deploy.resources.limits.memory", "mem_limit"}, at: func(s *Settings) any { return &s.Memory }, text: sizeText},
		{keys: []string{"deploy.resources.reservations.memory", "mem_reservation"}, at: func(s *Settings) any { return &s.MemoryReservation }, text: sizeText},
		{keys: []string{"memswap_limit"}, at: func(s *Settings) any { return &s.MemorySwap }, text: sizeText, loose: true, lifted: true},
		{keys: []string{"deploy.resources.limits.pids", "pids_limit"}, at: func(s *Settings) any { return &s.Pids }, lifted: true},
		{keys: []string{"blkio_config.weight"}, at: func(s *Settings) any { return &s.BlkioWeight }, picky: true},
		{keys: []string{"deploy.restart_policy.condition", "deploy.restart_policy.max_attempts", "restart"},
			at: func(s *Settings) any { return &s.Restart }, lifted: true},
	}
}

func (x setting) shown(value string) string {
	if x.text == nil || value == "" {
		return value
	}
	return x.text(value)
}

// key is the one that decides, for people: that of the file, else the recorded one, else the plain one.
func (x setting) key(specs ...map[string]any) string {
	for _, spec := range specs {
		for _, k := range x.keys {
			if valueAt(spec, k) != nil {
				return k
			}
		}
	}
	return x.keys[len(x.keys)-1]
}

// adjustable says whether a path of a spec belongs to a setting.
func (b *builder) adjustable(path string) bool {
	return slices.ContainsFunc(b.settings, func(x setting) bool { return slices.Contains(x.keys, path) })
}

// asksAlike says whether a container's record has the settings of its service word for word. Most differences are elsewhere.
func (b *builder) asksAlike(s *service, c *Container) bool {
	label := c.Labels[LabelSpec]
	if b.codec.says(label, s.json) {
		return true
	}
	compared := s.compare(&b.codec, label)
	if !compared.read {
		return false
	}
	for _, x := range b.settings {
		for _, path := range x.keys {
			if key, _, _ := strings.Cut(path, "."); slices.Contains(compared.fields, key) {
				return false
			}
		}
	}
	return true
}

// adjustments compare the settings of a container with those that its service wants: those that
// the engine can change in place, and those for which it takes another container. to is how it is set
// when only the former are changed. Where nobody has looked at the container it is as its record says.
func (b *builder) adjustments(s *service, c *Container) (inPlace, anew []Change, to Settings) {
	if c.Settings == nil && b.asksAlike(s, c) {
		return nil, nil, to
	}
	wanted := s.tree()
	recorded := b.recordedTree(s, c)
	if wanted == nil || c.Settings == nil && recorded == nil {
		return nil, nil, to
	}
	was, want := settingsOf(recorded), settingsOf(wanted)
	have := was
	if c.Settings != nil {
		have = *c.Settings
	}
	if recorded == nil {
		was = have
	}
	to = have
	for _, x := range b.settings {
		w, h, r := x.value(want), x.value(have), x.value(was)
		// What the record asked for is not the engine's choice: it has to go when the file stops asking.
		left := x.loose && w == "" && h != "" && h == r && !have.usualSwap()
		switch {
		case x.fits(w, h) && !left:
			continue
		case h == "" && (r != "" || recorded == nil && x.picky):
			continue // the engine has discarded it once, and would again
		case b.how.IgnoreDrift && r == w:
			continue
		}
		// Once muster itself has changed settings in place, a file that goes back looks the same as a change by hand.
		drift := r == w && b.have.adjusted == nil
		change := Change{Path: s.path(x.key(wanted, recorded)), From: x.shown(h), To: x.shown(w), Drift: drift}
		if w == "" && !x.lifted || h == "" && x.picky {
			anew = append(anew, change)
		} else {
			inPlace = append(inPlace, change)
			x.copy(&to, want)
		}
	}
	if want.Memory != have.Memory {
		to.MemorySwap = want.MemorySwap // where the file says nothing it follows the limit
	}
	return inPlace, anew, to
}

// recordedTree is what a container was made from; nil where nothing tells.
func (b *builder) recordedTree(s *service, c *Container) map[string]any {
	label := c.Labels[LabelSpec]
	switch {
	case s != nil && (b.codec.says(label, s.json) || label == "" && b.hashFits(s, c)):
		return s.tree()
	case label == "":
		return nil
	}
	text, err := b.codec.decode(label)
	if err != nil {
		return nil
	}
	spec, err := tree(text)
	if err != nil {
		return nil
	}
	return spec
}

// tree is the service's spec, taken apart once.
func (s *service) tree() map[string]any {
	if s.parts == nil {
		s.parts, _ = tree(s.json) // it was written by project.Spec
	}
	return s.parts
}

// Unsure are the containers whose labels leave open what Build has to know: how they are set now and, of those
// that carry no record of their service, how they were made. Whoever plans looks at them and puts what is found into
// Container.Settings, Endpoints and Made. Containers that are replaced anyway are not among them.
//
// Without Policy.Thorough there are none, or those that the file may change without another container, until muster has changed
// some so: labels cannot be changed with them, and from then on a volume with [LabelAdjusted] says so.
func Unsure(want *project.Project, have State, how Policy) []Doubt {
	if how.Recreate == RecreateNever || have.Converges {
		return nil
	}
	b := newBuilder(want, have, how)
	b.choose()
	if len(b.problems) > 0 {
		return nil
	}
	var out []Doubt
	for _, name := range b.order {
		s := b.services[name]
		if s.forced {
			continue
		}
		for _, c := range b.have.services[name] {
			switch {
			case c.Settings != nil:
			case c.foreign() && !b.hashFits(s, c):
				out = append(out, Doubt{Name: c.Name, Meant: b.meant(s, c)})
			case b.unsure(s, c):
				out = append(out, Doubt{Name: c.Name})
			}
		}
	}
	slices.SortFunc(out, func(a, b Doubt) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// unsure: the record may be out of date where somebody used docker update, or muster itself changed something in
// place, even where it fits the file again.
func (b *builder) unsure(s *service, c *Container) bool {
	if len(b.changes(s, c)) > 0 {
		return false
	}
	if !b.how.IgnoreDrift && (b.how.Thorough || b.have.adjusted != nil) {
		return true
	}
	for _, p := range s.parents {
		// Only an inspection tells whose ipc or pid namespace it uses; few services do.
		if !b.how.IgnoreDrift && (p.field == "ipc" || p.field == "pid") && c.Joined[p.field] == "" {
			return true
		}
	}
	inPlace, _, _ := b.adjustments(s, c)
	return len(inPlace) > 0 || b.hiddenPlaces(s, c)
}
