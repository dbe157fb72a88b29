package planner

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// Providers and models are no containers: a program of theirs brings them up, and containers get
// variables from it. Their program says only when it runs what these are, so it runs whenever a container is made
// that needs them, and before. That it has run, and for what definition, is written on those
// containers, among the digests of [LabelContent]; so a second plan is empty. A provider that no service depends
// on has nothing to be written on, and runs with every plan: its protocol asks that this does no harm.

// sources are the keys of what a service gets variables from, as they stand in [LabelContent].
func (b *builder) sources(s project.Service) []string {
	var out []string
	for name := range s.DependsOn {
		if b.want.Services[name].Provider != nil {
			out = append(out, "providers."+name)
		}
	}
	for key := range s.Models {
		if _, ok := b.model(key); ok {
			out = append(out, "models."+key)
		}
	}
	sort.Strings(out)
	return out
}

func (b *builder) model(key string) (project.ModelConfig, bool) {
	if b.want.Model == nil {
		return project.ModelConfig{}, false
	}
	m, ok := b.want.Model.Models[key]
	return m, ok
}

// sourceDigest is that of a source's definition.
func (b *builder) sourceDigest(key string) string {
	var definition any
	if name, ok := strings.CutPrefix(key, "providers."); ok {
		definition = b.want.Services[name].Provider
	} else if name, ok := strings.CutPrefix(key, "models."); ok {
		definition, _ = b.model(name)
	}
	text, err := json.Marshal(definition)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// injections are the variables that a container gets from its sources once they are there.
func (b *builder) injections(s project.Service) []Injection {
	var out []Injection
	for _, key := range b.sources(s) {
		in := Injection{Source: key}
		if name, ok := strings.CutPrefix(key, "models."); ok {
			m, _ := b.model(name)
			in.Model = m.Model
			in.ModelVar, in.URLVar = EnvName(name)+"_MODEL", EnvName(name)+"_URL"
			if use := s.Models[name]; use != nil {
				in.ModelVar, in.URLVar = cmp.Or(use.ModelVariable, in.ModelVar), cmp.Or(use.EndpointVariable, in.URLVar)
			}
		}
		out = append(out, in)
	}
	return out
}

// bringSources adds the steps that bring up what a new container of s gets variables from.
func (b *builder) bringSources(s *service) []StepID {
	var out []StepID
	for _, key := range b.sources(s.spec) {
		out = append(out, b.bringSource(key, Change{Path: s.path("environment"), To: "from " + key}))
	}
	return out
}

// bringSource adds the step that brings one source up, once.
func (b *builder) bringSource(key string, why Change) StepID {
	if id, ok := b.sourceSteps[key]; ok {
		return id
	}
	b.sourceSteps[key] = "" // a provider that depends on itself through others is not waited for
	var id StepID
	if name, ok := strings.CutPrefix(key, "providers."); ok {
		p := b.want.Services[name]
		id = b.graph.add(Step{Action: runProvider(b.want.Name, name, p), Needs: b.providerNeeds(p), Because: []Change{why}})
		b.items = append(b.items, Item{
			Ref: Ref{Kind: KindService, Name: name}, Verdict: Modify, Summary: "run provider " + p.Provider.Type, Impact: NoImpact,
		})
	} else if name, ok := strings.CutPrefix(key, "models."); ok {
		m, _ := b.model(name)
		id = b.graph.add(Step{
			Action:  ConfigureModel{Key: name, Model: m.Model, ContextSize: m.ContextSize, RuntimeFlags: m.RuntimeFlags},
			Because: []Change{why},
		})
	}
	b.sourceSteps[key] = id
	return id
}

// providerNeeds are the steps after which what a provider depends on is as it wants it.
func (b *builder) providerNeeds(p project.Service) []StepID {
	var needs []StepID
	for _, name := range keys(p.DependsOn) {
		if s := b.services[name]; s != nil {
			of := &service{name: p.Name, spec: p}
			needs = append(needs, b.satisfied(of, b.edgeOf(of, s, p.DependsOn[name]))...)
		} else if other, ok := b.want.Services[name]; ok && other.Provider != nil {
			needs = append(needs, b.bringSource("providers."+name, Change{Path: "services." + p.Name + ".depends_on." + name, To: condition(p.DependsOn[name])}))
		}
	}
	return needs
}

// loneProviders run with every plan.
func (b *builder) loneProviders() {
	if len(b.providers) == 0 {
		return
	}
	needed := map[string]bool{}
	for _, s := range b.services {
		for _, key := range b.sources(s.spec) {
			needed[key] = true
		}
	}
	for _, name := range keys(b.providers) {
		key := "providers." + name
		switch _, runs := b.sourceSteps[key]; {
		case runs:
		case needed[key]:
			b.items = append(b.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Unchanged})
		default:
			b.bringSource(key, Change{Path: "services." + name, To: "no service depends on it, so that nothing says whether it runs"})
		}
	}
}

func runProvider(of, name string, p project.Service) RunProvider {
	return RunProvider{Project: of, Service: name, Type: p.Provider.Type, Options: map[string][]string(p.Provider.Options), Spec: p}
}

func stopProvider(of, name string, p project.Service, keep bool) StopProvider {
	return StopProvider{Project: of, Service: name, Type: p.Provider.Type, Options: map[string][]string(p.Provider.Options), Keep: keep, Spec: p}
}

// stopProviders lets the providers of the file take down what they brought up, after the containers that
// used it. Nothing says for sure whether there is anything, and their protocol asks that this does no harm.
func (t *teardown) stopProviders() {
	if !t.file {
		t.warnProviders()
	}
	for _, name := range keys(t.want.Services) {
		p := t.want.Services[name]
		if p.Provider == nil || !t.chosen(name) {
			continue
		}
		var needs []StepID
		for _, user := range keys(t.want.Services) {
			if _, uses := t.want.Services[user].DependsOn[name]; !uses {
				continue
			}
			for _, c := range t.all[user] {
				needs = append(needs, t.removed[c.Name])
			}
		}
		t.graph.add(Step{Action: stopProvider(t.want.Name, name, p, false), Needs: needs, Impact: Replace})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Remove, Summary: "take down with provider " + p.Provider.Type, Impact: Replace})
	}
}

// warnProviders names the providers that containers had variables from: without the file nobody knows their programs.
func (t *teardown) warnProviders() {
	var left []string
	for _, name := range t.names {
		for _, c := range t.all[name] {
			for key := range readContent(c.Labels[LabelContent]) {
				if provider, ok := strings.CutPrefix(key, "providers."); ok {
					left = append(left, provider)
				}
			}
		}
	}
	if left = distinct(left); len(left) > 0 {
		t.warn("what a provider brought up stays (%s): only the files say which program takes it down", strings.Join(left, ", "))
	}
}

// pauseProviders lets providers stop what the services of a stopped stack used, dependents first, where their programs
// know how.
func (st *standing) pauseProviders(stopped map[string][]StepID) {
	for _, name := range keys(st.want.Services) {
		p := st.want.Services[name]
		if p.Provider == nil || !st.chosen(name) {
			continue
		}
		var needs []StepID
		for _, user := range keys(st.want.Services) {
			if _, uses := st.want.Services[user].DependsOn[name]; uses {
				needs = append(needs, stopped[user]...)
			}
		}
		st.graph.add(Step{Action: stopProvider(st.want.Name, name, p, true), Needs: needs, Impact: Replace})
		st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Modify, Summary: "stop with provider " + p.Provider.Type, Impact: Replace})
	}
}

// resumeProviders brings up again what a service that is started depends on, since a stop may have stopped that too. It
// may run already: their protocol asks that this does no harm. The variables stay those that the containers have.
func (st *standing) resumeProviders(name string) []StepID {
	s, _ := st.want.Declared(name)
	var out []StepID
	for _, to := range keys(s.DependsOn) {
		p, ok := st.want.Services[to]
		if !ok || p.Provider == nil {
			continue
		}
		action := runProvider(st.want.Name, to, p)
		id := idOf(action)
		if st.graph.byID[id] == nil {
			st.graph.add(Step{Action: action, Because: []Change{{Path: "services." + to, To: "needed by " + name}}})
			st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: to}, Verdict: Modify, Summary: "run provider " + p.Provider.Type})
		}
		out = append(out, id)
	}
	return out
}
