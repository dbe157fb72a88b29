package planner

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project"
)

// chain is a project of n services, each with a health check, ports, environment and a
// dependency on the one before it in its group of ten.
func chain(n int) *project.Project {
	p := &project.Project{
		Name: "big", WorkingDir: "/src/big", Files: []string{"/src/big/compose.yaml"}, Separator: "-",
		Services: map[string]project.Service{}, Networks: map[string]project.Network{"default": {Name: "big_default"}},
		Volumes: map[string]project.Volume{},
	}
	for i := range n {
		var s project.Service
		s.Name = fmt.Sprintf("service%05d", i)
		s.Image = fmt.Sprintf("example/image%d:1", i%50)
		s.Environment = map[string]*string{}
		for v := range 20 {
			value := fmt.Sprintf("value %d of %d", v, i)
			s.Environment[fmt.Sprintf("VARIABLE_%d", v)] = &value
		}
		s.Labels = map[string]string{"team": "a", "traefik.enable": "true"}
		s.Networks = map[string]*project.ServiceNetwork{"default": nil}
		s.Ports = []project.ServicePort{{Target: 80, Published: fmt.Sprint(10000 + i), Protocol: "tcp"}}
		volume := fmt.Sprintf("data%d", i)
		p.Volumes[volume] = project.Volume{Name: "big_" + volume}
		s.Volumes = []project.ServiceVolume{{Type: "volume", Source: volume, Target: "/data"}}
		if i%10 > 0 {
			s.DependsOn = map[string]project.ServiceDependency{
				fmt.Sprintf("service%05d", i-1): {Condition: project.ConditionStarted, Required: true},
			}
		}
		p.Services[s.Name] = s
	}
	return p
}

// settled is the state after everything of p has been brought up.
func settled(tb testing.TB, p *project.Project) State {
	tb.Helper()
	plan, err := Build(p, State{}, Policy{})
	if err != nil {
		tb.Fatal(err)
	}
	var have State
	for _, s := range plan.Steps {
		switch a := s.Action.(type) {
		case PullImage:
			have.Images = append(have.Images, Image{ID: "sha256:" + a.Ref, Tags: []string{a.Ref}})
		case CreateNetwork:
			have.Networks = append(have.Networks, Network{ID: "net", Name: a.Name, Labels: a.Labels})
		case CreateVolume:
			have.Volumes = append(have.Volumes, Volume{Name: a.Name, Driver: "local", Labels: a.Labels})
		case CreateContainer:
			have.Containers = append(have.Containers, Container{
				ID: a.Name, Name: a.Name, Service: a.Spec.Name, Number: 1, Image: a.Image, ImageID: "sha256:" + a.Image, Status: Running, Labels: a.Labels,
				Endpoints: []Endpoint{{Network: "big_default", NetworkID: "net"}},
				Mounts:    []Mount{{Type: "volume", Name: a.Volumes[a.Spec.Volumes[0].Source], Target: "/data"}},
				Ports:     []Port{{Published: 1, Target: 80, Protocol: "tcp"}},
			})
		}
	}
	return have
}

// changed gives every service another value of one variable.
func changed(p *project.Project) *project.Project {
	out := *p
	out.Services = map[string]project.Service{}
	for name, s := range p.Services {
		environment := map[string]*string{}
		for k, v := range s.Environment {
			environment[k] = v
		}
		value := "another"
		environment["VARIABLE_0"] = &value
		s.Environment = environment
		out.Services[name] = s
	}
	return &out
}

// startFirst asks for successors beside the old containers, which no fixed port forbids, of services with n replicas.
func startFirst(p *project.Project, n int) *project.Project {
	out := *p
	out.Services = map[string]project.Service{}
	for name, s := range p.Services {
		s.Ports, s.Scale = nil, &n
		s.Deploy = &types.DeployConfig{UpdateConfig: &types.UpdateConfig{Order: "start-first"}}
		out.Services[name] = s
	}
	return &out
}

// perService measures something that is done with n services, and what it takes for each.
func perService(b *testing.B, n int, do func()) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		do()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N*n), "allocs/service")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/service")
}

// What a plan takes grows with the stack, and no quicker.
func TestBuildGrowsLinearly(t *testing.T) {
	allocations := func(n int) float64 {
		want := chain(n)
		have := settled(t, want)
		return testing.AllocsPerRun(1, func() {
			if _, err := Build(changed(want), have, Policy{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(100), allocations(1000); many > 11*few {
		t.Errorf("%.0f allocations for 100 services, and %.0f for 1000", few, many)
	}
}

// BenchmarkDiff is of a service with another value of one of its variables.
func BenchmarkDiff(b *testing.B) {
	want := chain(1)
	var was, now string
	for p, text := range map[*project.Project]*string{want: &was, changed(want): &now} {
		spec, err := project.Spec(p.Services["service00000"])
		if err != nil {
			b.Fatal(err)
		}
		*text = string(spec)
	}
	perService(b, 1, func() {
		if changes, err := diffSpecs("", was, now, serviceRules{}); err != nil || len(changes) != 1 {
			b.Fatal(changes, err)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{20, 300, 5000} {
		want := chain(n)
		have := settled(b, want)
		for _, c := range []struct {
			name string
			want *project.Project
			have State
		}{{"new", want, State{}}, {"noop", want, have}, {"changed", changed(want), have}, {"start-first", startFirst(changed(want), 1), have}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				perService(b, n, func() {
					if _, err := Build(c.want, c.have, Policy{}); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

func BenchmarkTeardown(b *testing.B) {
	want := chain(5000)
	have := settled(b, want)
	for b.Loop() {
		if _, err := Teardown(want, have, Policy{Volumes: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkText(b *testing.B) {
	want := chain(5000)
	plan, err := Build(changed(want), settled(b, want), Policy{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = plan.Text(TextOptions{})
		_ = plan.StepsText(TextOptions{})
	}
}
