package project

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// checker looks through the model for what no schema can see. It finds
// everything at once; compose-go's own checks stop at the first finding and have no place.
type checker struct {
	places *places
	m      *types.Project
	errs   Errors
	// cut are the paths that were taken out of the files because they are
	// wrong; nothing is said about their absence.
	cut cuts
	// left are the tests that were left out.
	left []string
	// shared says that one engine is spread over several machines.
	shared bool
}

// cuts are paths of the model, dotted.
type cuts map[string]bool

// within says whether anything at or below a path was cut.
func (c cuts) within(path ...string) bool {
	want := dotted(path)
	for p := range c {
		if p == want || strings.HasPrefix(p, want+".") || strings.HasPrefix(p, want+"[") {
			return true
		}
	}
	return false
}

// serviceChecks are asked about each active service.
func serviceChecks() []func(*checker, string, Service) {
	return []func(*checker, string, Service){
		checkServiceReferences, checkResourceReferences, checkImage, checkBuild, checkNetworks, checkHealth,
		checkDependencies, checkScale, checkTwice, checkMounts, checkPorts, checkExposed, checkWords, checkWatch, checkEnvFiles,
	}
}

// projectChecks are asked once.
func projectChecks() []func(*checker) {
	return []func(*checker){checkCycles, checkContainerNames, checkPublished, checkResources, checkJobs, checkExtensions}
}

func (l *loading) check(m *types.Project) Errors { return l.checkWithout(m, nil) }

func (l *loading) checkWithout(m *types.Project, cut cuts) Errors {
	if l.o.NoConsistency {
		return nil
	}
	c := &checker{places: l.places, m: m, cut: cut, left: l.left, shared: l.o.Target != TargetDocker}
	for _, name := range m.ServiceNames() {
		for _, check := range serviceChecks() {
			check(c, name, m.Services[name])
		}
	}
	for _, check := range projectChecks() {
		check(c)
	}
	return c.errs
}

// finding is an error with the place where to point.
type finding struct {
	path    []string // shown
	at      []string // pointed to, when it is not path
	key     bool     // point to the key and not to the value
	problem string
	hint    string
}

func (c *checker) add(f finding) {
	at := f.at
	if at == nil {
		at = f.path
	}
	s := c.places.find(at...)
	e := s.at()
	if f.key {
		e = s.atKey()
	}
	e.Path, e.Problem, e.Hint = dotted(c.places.written(f.path)), f.problem, f.hint
	c.errs = append(c.errs, e)
}

func (c *checker) services() []string {
	names := slices.Concat(c.m.ServiceNames(), c.m.DisabledServiceNames())
	for p := range c.cut {
		if name, ok := strings.CutPrefix(p, "services."); ok && !strings.ContainsAny(name, ".[") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wantService reports a reference to a service that is not there, or not active.
func (c *checker) wantService(name string, required bool, shown, at []string) {
	if _, ok := c.m.Services[name]; ok {
		return
	}
	if s, ok := c.m.DisabledServices[name]; ok {
		switch {
		case !required:
		case slices.Contains(c.left, name):
			c.add(finding{path: shown, at: at,
				problem: fmt.Sprintf("service %q is a test, which only `muster test` runs", name),
				hint:    "take it out here, or x-muster.test out of " + name})
		default:
			c.add(finding{path: shown, at: at,
				problem: fmt.Sprintf("service %q is not active", name),
				hint:    fmt.Sprintf("it belongs to profile %s: activate it with --profile %s", sentence(s.Profiles, "or"), s.Profiles[0])})
		}
		return
	}
	if c.cut.within("services", name) {
		return
	}
	others := slices.DeleteFunc(c.services(), func(s string) bool { return s == shown[1] })
	c.add(finding{path: shown, at: at, problem: "no service " + quote(name), hint: didYouMean(name, others)})
}

func checkServiceReferences(c *checker, name string, s Service) {
	at := func(parts ...string) []string { return append([]string{"services", name}, parts...) }
	implied := map[string]bool{}
	for _, link := range s.Links {
		to, _, _ := strings.Cut(link, ":")
		implied[to] = true
		c.wantService(to, true, at("links"), at("links", to))
	}
	for _, sh := range sharings(s) {
		implied[sh.service] = true
		where := at(sh.key)
		if sh.key == "volumes_from" {
			where = at(sh.key, sh.service)
		}
		c.wantService(sh.service, true, at(sh.key), where)
	}
	for _, dep := range sortedKeys(s.DependsOn) {
		if _, job := c.m.Jobs[dep]; job {
			c.add(finding{path: at("depends_on"), at: at("depends_on", dep), problem: fmt.Sprintf("%q is a job; a service can depend on services only", dep)})
			continue
		}
		if implied[dep] && c.places.find(at("depends_on", dep)...).depth < 4 {
			continue // told where it is written
		}
		c.wantService(dep, s.DependsOn[dep].Required, at("depends_on"), at("depends_on", dep))
	}
	if s.Build == nil {
		return
	}
	for _, key := range sortedKeys(s.Build.AdditionalContexts) {
		to, ok := strings.CutPrefix(s.Build.AdditionalContexts[key], types.ServicePrefix)
		if !ok {
			continue
		}
		where := at("build", "additional_contexts", key)
		all := c.m.AllServices()
		if t, ok := all[to]; !ok {
			c.wantService(to, true, where, where)
		} else if t.Build == nil {
			c.add(finding{path: where, problem: fmt.Sprintf("service %q is not built, so its image cannot be a build context by this form", to),
				hint: "write docker-image://" + t.Image})
		}
	}
}

// checkResourceReferences looks for networks, volumes, configs, secrets and models that no
// top-level section declares.
func checkResourceReferences(c *checker, name string, s Service) {
	want := func(kind, section, key string, known []string, parts ...string) {
		if slices.Contains(known, key) || c.cut[section] || c.cut.within(section, key) {
			return
		}
		path := append([]string{"services", name}, parts...)
		if key == "" {
			c.add(finding{path: path, problem: "the name of a " + kind + " is missing", hint: "name one of the top-level " + section})
			return
		}
		hint := didYouMean(key, known)
		if hint == "" || Nearest(key, known) == "" {
			hint = fmt.Sprintf("declare it in the top-level %s", section)
		}
		c.add(finding{path: path, at: append(slices.Clone(path), key), problem: "no " + kind + " " + quote(key), hint: hint})
	}
	for _, key := range sortedKeys(s.Networks) {
		if key != "default" { // it exists without being declared
			want("network", "networks", key, c.m.NetworkNames(), "networks")
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume && v.Source != "" {
			want("volume", "volumes", v.Source, c.m.VolumeNames(), "volumes")
		}
	}
	for _, f := range s.Configs {
		want("config", "configs", f.Source, c.m.ConfigNames(), "configs")
	}
	if spec := s.CredentialSpec; spec != nil && spec.Config != "" {
		want("config", "configs", spec.Config, c.m.ConfigNames(), "credential_spec", "config")
	}
	for _, f := range s.Secrets {
		want("secret", "secrets", f.Source, c.m.SecretNames(), "secrets")
	}
	for _, key := range sortedKeys(s.Models) {
		want("model", "models", key, c.m.ModelNames(), "models")
	}
	if s.Build != nil {
		for _, f := range s.Build.Secrets {
			want("secret", "secrets", f.Source, c.m.SecretNames(), "build", "secrets")
		}
	}
}

// checkCycles finds services that wait for each other, each ring once, told
// from its first name on.
func checkCycles(c *checker) {
	state := map[string]int{} // 1 on the way, 2 done
	var trail []string
	var visit func(name string)
	visit = func(name string) {
		s, ok := c.m.Services[name]
		if !ok || state[name] == 2 {
			return
		}
		if state[name] == 1 {
			ring := slices.Clone(trail[slices.Index(trail, name):])
			c.addCycle(ring)
			return
		}
		state[name] = 1
		trail = append(trail, name)
		for _, d := range Dependencies(s) {
			visit(d.Service)
		}
		trail = trail[:len(trail)-1]
		state[name] = 2
	}
	for _, name := range c.m.ServiceNames() {
		visit(name)
	}
}

func (c *checker) addCycle(ring []string) {
	least := slices.Index(ring, slices.Min(ring))
	ring = slices.Concat(ring[least:], ring[:least])
	last := ring[len(ring)-1]
	key := "depends_on"
	for _, sh := range sharings(c.m.Services[last]) {
		if sh.service == ring[0] && c.places.find("services", last, "depends_on", ring[0]).depth < 4 {
			key = sh.key
		}
	}
	path := []string{"services", last, key}
	problem := "the services wait for each other: " + strings.Join(append(ring, ring[0]), " → ")
	hint := "take one of these dependencies out"
	if len(ring) == 1 {
		problem, hint = "the service waits for itself", "take it out"
	}
	c.add(finding{path: path, at: append(slices.Clone(path), ring[0]), problem: problem, hint: hint})
}

func checkContainerNames(c *checker) {
	owner := map[string]string{}
	for _, name := range c.m.ServiceNames() {
		cn := c.m.Services[name].ContainerName
		if cn == "" {
			continue
		}
		if other, ok := owner[cn]; ok {
			c.add(finding{path: []string{"services", name, "container_name"},
				problem: fmt.Sprintf("%s is the container name of service %q already", quote(cn), other),
				hint:    "a name belongs to one container; leave the key out to have one made"})
			continue
		}
		owner[cn] = name
	}
}

func checkJobs(c *checker) {
	for _, name := range sortedKeys(c.m.AllJobs()) {
		if slices.Contains(c.services(), name) {
			c.add(finding{path: []string{"jobs", name}, key: true, problem: "a service has this name already", hint: "names of services and jobs must differ"})
		}
	}
}
