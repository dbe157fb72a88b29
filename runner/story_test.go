package runner_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/memory"
)

// story is what one case of the properties draws: a project, what somebody does to
// its containers by hand, its next version, and how the run of that is disturbed.
type story struct {
	First, Second *project.Project
	Behaviours    map[string]memory.Behaviour // by service
	ByHand        []deed
	How           planner.Policy
	Fault         memory.Fault
	Cancel        time.Duration // of the second run; 0 is never
}

// deed is something done by hand to the container with a number, counted over all of them.
type deed struct {
	What string
	To   int
}

// pool is the names of services, each of which may depend on those before it. The job ends.
func pool() []string { return []string{"a", "job", "b", "c", "d"} }

// stories are drawn as one value, so that a failure prints the story and not its
// hundred draws.
func stories() *rapid.Generator[story] { return rapid.Custom(drawStory) }

// GoString is what a failure prints.
func (s story) GoString() string { return "\n" + s.String() }

func drawStory(t *rapid.T) story {
	s := story{Behaviours: map[string]memory.Behaviour{}}
	first, second := map[string]project.Service{}, map[string]project.Service{}
	for i, name := range pool() {
		if rapid.IntRange(0, 3).Draw(t, name+" is there") > 0 {
			first[name] = drawService(t, name, pool()[:i])
		}
		switch rapid.SampledFrom([]string{"same", "same", "other", "gone", "edited", "edited"}).Draw(t, name+" becomes") {
		case "same":
			if spec, ok := first[name]; ok {
				second[name] = spec
			}
		case "other":
			second[name] = drawService(t, name, pool()[:i])
		case "edited":
			if spec, ok := first[name]; ok {
				second[name] = edit(t, spec)
			}
		}
		s.Behaviours[name] = drawBehaviour(t, name)
	}
	s.First, s.Second = projectOf(t, first, "first"), projectOf(t, second, "second")
	s.ByHand = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
		return deed{rapid.SampledFrom([]string{"stop", "kill", "remove", "rename", "pause", "leave", "limit"}).Draw(t, "deed"), rapid.IntRange(0, 9).Draw(t, "to")}
	}), 0, 2).Draw(t, "by hand")
	// What docker update left is only found where somebody looks; what muster changed in place always is.
	s.How.Thorough = rapid.Bool().Draw(t, "thorough") || slices.ContainsFunc(s.ByHand, func(d deed) bool { return d.What == "limit" })
	s.How.RemoveOrphans = rapid.Bool().Draw(t, "remove orphans")
	s.How.RemoveOrphans = s.How.RemoveOrphans || orphanHoldsPort(s.First, s.Second)
	s.How.Wait = rapid.Bool().Draw(t, "wait")
	if rapid.IntRange(0, 4).Draw(t, "force") == 0 {
		s.How.Recreate = planner.RecreateAlways
	}
	s.Fault = memory.Fault{
		Call: rapid.IntRange(1, 30).Draw(t, "call"),
		Do:   rapid.SampledFrom([]memory.Fate{memory.Refuse, memory.Forget, memory.Die, memory.DieAfter, memory.Panic}).Draw(t, "fate"),
	}
	if rapid.IntRange(0, 3).Draw(t, "cancel") == 0 {
		s.Cancel = time.Duration(rapid.IntRange(0, 5000).Draw(t, "after")) * time.Millisecond
	}
	return s
}

// orphanHoldsPort says whether a service that goes has a port that one that stays wants: then
// leaving it cannot work.
func orphanHoldsPort(first, second *project.Project) bool {
	for name, s := range first.Services {
		_, stays := second.Services[name]
		for _, other := range second.Services {
			if !stays && len(s.Ports) > 0 && len(other.Ports) > 0 && s.Ports[0].Published != "" && s.Ports[0].Published == other.Ports[0].Published {
				return true
			}
		}
	}
	return false
}

func drawBehaviour(t *rapid.T, name string) memory.Behaviour {
	b := memory.Behaviour{ReadyAfter: memory.Span(rapid.IntRange(0, 2000).Draw(t, "ready")) * memory.Span(time.Millisecond)}
	if name == "job" {
		b = memory.Behaviour{Exits: true, ExitAfter: memory.Span(rapid.IntRange(1, 900).Draw(t, "ends")) * memory.Span(time.Millisecond)}
	}
	return b
}

func drawService(t *rapid.T, name string, before []string) project.Service {
	s := project.Service{Name: name}
	s.Image = rapid.SampledFrom([]string{"app:1", "app:2", "data:1"}).Draw(t, "image")
	one := func(label string, of int) bool { return rapid.IntRange(1, of).Draw(t, label) == 1 }
	edited := edit(t, s)
	s = edited
	if one("no image", 8) {
		s.Image = ""
		s.Build = &types.BuildConfig{Context: "."}
	}
	if name == "job" {
		return s
	}
	replicas := rapid.IntRange(0, 3).Draw(t, "replicas")
	s.Scale = &replicas
	if one("check", 2) {
		s.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD", "check"}}
	}
	if one("update config", 2) {
		s.Deploy = &types.DeployConfig{UpdateConfig: drawUpdateConfig(t, "rollback")}
		if one("rollback config", 2) {
			s.Deploy.RollbackConfig = drawUpdateConfig(t, "pause")
		}
	}
	if one("hooks", 5) {
		s.PostStart = []types.ServiceHook{{Command: []string{"warm"}}}
		s.PreStop = []types.ServiceHook{{Command: []string{"drain"}}}
	}
	if one("port", 4) {
		s.Ports = []types.ServicePortConfig{{Target: 80, Published: rapid.SampledFrom([]string{"8080", "8081", "", "9000-9010"}).Draw(t, "published"), Protocol: "tcp"}}
	}
	if one("name", 6) {
		s.ContainerName = "own-" + name
	}
	for _, other := range before {
		if one("needs "+other, 3) {
			if s.DependsOn == nil {
				s.DependsOn = types.DependsOnConfig{}
			}
			s.DependsOn[other] = types.ServiceDependency{Restart: one("restarts with it", 3), Required: true}
		}
	}
	if len(before) > 0 && one("joins", 8) {
		s.NetworkMode = "service:" + before[0]
		s.Networks, s.Ports = nil, nil
	}
	if len(before) > 0 && one("volumes from", 8) {
		s.VolumesFrom = []string{before[0]}
	}
	return s
}

// drawUpdateConfig draws how replicas are replaced, or go back; action is possible besides pause and continue.
func drawUpdateConfig(t *rapid.T, action string) *types.UpdateConfig {
	parallelism := uint64(rapid.IntRange(0, 2).Draw(t, "parallelism"))
	return &types.UpdateConfig{
		Parallelism:     &parallelism,
		Order:           rapid.SampledFrom([]string{"", "start-first", "start-first", "stop-first"}).Draw(t, "order"),
		FailureAction:   rapid.SampledFrom([]string{"", "pause", "continue", action, action}).Draw(t, "failure action"),
		MaxFailureRatio: rapid.SampledFrom([]float32{0, 0, 0.34, 0.5, 1}).Draw(t, "ratio"),
		Delay:           types.Duration(rapid.SampledFrom([]time.Duration{0, 0, 3 * time.Second}).Draw(t, "delay")),
		Monitor:         types.Duration(rapid.SampledFrom([]time.Duration{0, 0, 200 * time.Millisecond, 2 * time.Second}).Draw(t, "monitor")),
	}
}

// edit changes what can differ between two versions of a service.
func edit(t *rapid.T, s project.Service) project.Service {
	value := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "env")
	s.Environment = types.MappingWithEquals{"VALUE": &value}
	s.Volumes = nil
	for _, v := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"v1", "v2", ""}), 0, 2, rapid.ID).Draw(t, "volumes") {
		s.Volumes = append(s.Volumes, types.ServiceVolumeConfig{Type: "volume", Source: v, Target: "/mnt/" + v})
	}
	s.MemLimit = types.UnitBytes(rapid.SampledFrom([]int{0, 0, 64, 128}).Draw(t, "memory") << 20)
	s.CPUS = rapid.SampledFrom([]float32{0, 0, 0.5, 1}).Draw(t, "cpus")
	if s.Name != "job" {
		s.Restart = rapid.SampledFrom([]string{"", "always", "unless-stopped"}).Draw(t, "restart")
	}
	if s.NetworkMode == "" {
		s.Networks = map[string]*types.ServiceNetworkConfig{}
		for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"default", "n1", "n2"}), 1, 2, rapid.ID).Draw(t, "networks") {
			s.Networks[n] = nil
		}
	}
	return s
}

// projectOf makes a valid project of services that were drawn one by one.
func projectOf(t *rapid.T, services map[string]project.Service, label string) *project.Project {
	p := &project.Project{Name: "p", WorkingDir: "/src", Services: map[string]project.Service{}, Networks: map[string]project.Network{},
		Volumes: map[string]project.Volume{}, Content: map[string]string{}}
	used, awaited := map[string]bool{}, false
	for _, name := range pool() {
		s, ok := services[name]
		if !ok {
			continue
		}
		s.DependsOn = maps.Clone(s.DependsOn)
		mend(&s, services, used)
		if _, waits := s.DependsOn["job"]; waits {
			awaited = true
		}
		services[name] = s
		p.Services[name] = s
	}
	if !awaited {
		delete(p.Services, "job") // or it would be started at every up
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			n := project.Network{Name: "p_" + key}
			if rapid.IntRange(0, 3).Draw(t, label+" network "+key) == 0 {
				n.DriverOpts = types.Options{"mtu": "1400"}
			}
			if _, drawn := p.Networks[key]; !drawn {
				p.Networks[key] = n
			}
		}
		for _, v := range s.Volumes {
			if v.Source != "" {
				p.Volumes[v.Source] = project.Volume{Name: "p_" + v.Source}
			}
		}
	}
	return p
}

// mend takes out of a service what the others do not allow.
func mend(s *project.Service, services map[string]project.Service, used map[string]bool) {
	for other, d := range s.DependsOn {
		o, there := services[other]
		switch {
		case !there:
			delete(s.DependsOn, other)
			continue
		case other == "job":
			d.Condition = types.ServiceConditionCompletedSuccessfully
		case o.HealthCheck != nil || o.Image == "data:1":
			d.Condition = types.ServiceConditionHealthy
		default:
			d.Condition = types.ServiceConditionStarted
		}
		s.DependsOn[other] = d
	}
	shares := func(other string) bool {
		o, there := services[other]
		return there && o.GetScale() > 0
	}
	if s.NetworkMode != "" && !shares(s.NetworkMode[len("service:"):]) {
		s.NetworkMode, s.Networks = "", map[string]*types.ServiceNetworkConfig{"default": nil}
	}
	if len(s.VolumesFrom) > 0 && !shares(s.VolumesFrom[0]) {
		s.VolumesFrom = nil
	}
	if len(s.Ports) > 0 && s.Ports[0].Published != "" && used[s.Ports[0].Published] {
		s.Ports = nil
	}
	if len(s.Ports) > 0 && s.Ports[0].Published != "" {
		used[s.Ports[0].Published] = true
	}
	if s.GetScale() > 1 && (s.ContainerName != "" || len(s.Ports) > 0 && s.Ports[0].Published != "") {
		one := 1
		s.Scale = &one
	}
}

// String is the story in a form that a person can follow.
func (s story) String() string {
	out := "first:\n" + describe(s.First)
	if len(s.ByHand) > 0 {
		out += fmt.Sprintf("by hand: %v\n", s.ByHand)
	}
	out += "second:\n" + describe(s.Second)
	out += fmt.Sprintf("policy: orphans %v, wait %v, recreate %v\nfault: %s at call %d, cancelled after %v\n",
		s.How.RemoveOrphans, s.How.Wait, s.How.Recreate, s.Fault.Do, s.Fault.Call, s.Cancel)
	return out
}

func describePace(u *types.UpdateConfig) string {
	return fmt.Sprintf("(%s by %d, delay %v, monitor %v, %s over %v)", u.Order, *u.Parallelism, u.Delay, u.Monitor, u.FailureAction, u.MaxFailureRatio)
}

func describe(p *project.Project) string {
	out := ""
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		out += fmt.Sprintf("  %s: %dx %s VALUE=%s", name, s.GetScale(), s.Image, *s.Environment["VALUE"])
		if s.HealthCheck != nil {
			out += ", checked"
		}
		if s.Restart != "" {
			out += ", restart " + s.Restart
		}
		if s.MemLimit > 0 || s.CPUS > 0 {
			out += fmt.Sprintf(", memory %d, cpus %v", s.MemLimit, s.CPUS)
		}
		if s.ContainerName != "" {
			out += ", called " + s.ContainerName
		}
		if s.Deploy != nil {
			out += ", update " + describePace(s.Deploy.UpdateConfig)
			if s.Deploy.RollbackConfig != nil {
				out += ", rollback " + describePace(s.Deploy.RollbackConfig)
			}
		}
		for _, v := range s.Volumes {
			out += fmt.Sprintf(", volume %q", v.Source)
		}
		for _, v := range s.Ports {
			out += fmt.Sprintf(", port %q", v.Published)
		}
		for _, n := range slices.Sorted(maps.Keys(s.Networks)) {
			out += ", on " + n
			if p.Networks[n].DriverOpts != nil {
				out += " (mtu)"
			}
		}
		if s.NetworkMode != "" {
			out += ", network " + s.NetworkMode
		}
		if len(s.VolumesFrom) > 0 {
			out += ", volumes from " + s.VolumesFrom[0]
		}
		if len(s.PostStart) > 0 {
			out += ", hooks"
		}
		for _, n := range slices.Sorted(maps.Keys(s.DependsOn)) {
			out += fmt.Sprintf(", needs %s %s restart %v", n, s.DependsOn[n].Condition, s.DependsOn[n].Restart)
		}
		out += "\n"
	}
	return out
}
