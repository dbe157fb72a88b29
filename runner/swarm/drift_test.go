package swarm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/google/go-cmp/cmp"
)

// kept is a service as an engine keeps it that was just applied.
func kept(t *testing.T) swarm.ServiceSpec {
	t.Helper()
	spec := specOf(applied(loaded(t, `
environment: {A: "1", B: "2"}
volumes: [data:/data]
configs: [app]
ports: [{target: 80, published: "8080"}]
deploy: {replicas: 2, update_config: {parallelism: 2}, restart_policy: {delay: 1s}}
`)), nil)
	networks := map[string]string{"n1": "p_default"}
	spec.Labels[labelApplied] = stamp(normal(spec, networks))
	// The engine fills in.
	attempts := uint64(0)
	template := &spec.TaskTemplate
	template.Runtime, template.ForceUpdate, template.Networks[0].Target = swarm.RuntimeContainer, 3, "n1"
	template.ContainerSpec.Isolation = "default"
	template.RestartPolicy.Condition, template.RestartPolicy.MaxAttempts = swarm.RestartPolicyConditionAny, &attempts
	spec.UpdateConfig.FailureAction, spec.UpdateConfig.Order = swarm.UpdateFailureActionPause, swarm.UpdateOrderStopFirst
	return spec
}

func TestDrift(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*swarm.ServiceSpec)
		want   string
	}{
		"nothing":    {func(*swarm.ServiceSpec) {}, ""},
		"not by us":  {func(s *swarm.ServiceSpec) { delete(s.Labels, labelApplied); s.TaskTemplate.ContainerSpec.User = "x" }, ""},
		"unreadable": {func(s *swarm.ServiceSpec) { s.Labels[labelApplied] = "x" }, ""},
		"tools' labels": {func(s *swarm.ServiceSpec) {
			s.Labels[labelImage] = "other"
			s.Labels["dev.muster.revision"] = "4"
		}, ""},
		"variable gone": {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"B=2"} }, "environment.A: 1 → "},
		"order only":    {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"B=2", "A=1"} }, ""},
		"scaled":        {func(s *swarm.ServiceSpec) { s.Mode = replicas(5) }, "deploy.replicas: 2 → 5"},
		"to nothing":    {func(s *swarm.ServiceSpec) { s.Mode = replicas(0) }, "deploy.replicas: 2 → 0"},
		"label":         {func(s *swarm.ServiceSpec) { s.Labels["team"] = "a" }, "deploy.labels.team:  → a"},
		"delay":         {func(s *swarm.ServiceSpec) { d := 90 * time.Second; s.TaskTemplate.RestartPolicy.Delay = &d }, "deploy.restart_policy.delay: 1s → 1m30s"},
		"no init":       {func(s *swarm.ServiceSpec) { no := false; s.TaskTemplate.ContainerSpec.Init = &no }, "init:  → false"},
		"network":       {func(s *swarm.ServiceSpec) { s.TaskTemplate.Networks = nil }, `networks: {"Aliases":["web"],"Target":"p_default"} → `},
		"mount": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Mounts = append(s.TaskTemplate.ContainerSpec.Mounts, mount.Mount{Type: "bind", Source: "/a", Target: "/b", BindOptions: &mount.BindOptions{Propagation: "rprivate"}})
		}, `volumes: {"Source":"p_data","Target":"/data","Type":"volume","VolumeOptions":{"Labels":{"com.docker.stack.namespace":"p"}}} → ` +
			`{"Source":"p_data","Target":"/data","Type":"volume","VolumeOptions":{"Labels":{"com.docker.stack.namespace":"p"}}} {"Source":"/a","Target":"/b","Type":"bind"}`},
		"what no file has": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Runtime = "plugin"
			s.TaskTemplate.LogDriver = &swarm.Driver{Name: "none"}
		}, "logging.driver:  → none"},
	} {
		spec := kept(t)
		c.change(&spec)
		var got []string
		for _, d := range driftOf(spec, map[string]string{"n1": "p_default"}) {
			got = append(got, fmt.Sprintf("%s: %s → %s", d.Path, d.From, d.To))
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

// What is only written in another way is left as it is there: the swarm would replace containers for it.
func TestSettle(t *testing.T) {
	ours := specOf(applied(loaded(t, `
extra_hosts: ["a=10.0.0.1", "b=10.0.0.2"]
configs: [{source: app, target: /one}, {source: app, target: /two}]
secrets: [key]
`)), nil)
	there := specOf(applied(loaded(t, `
extra_hosts: ["a=10.0.0.1", "b=10.0.0.2"]
configs: [{source: app, target: /two}, {source: app, target: /one}]
secrets: [key]
`)), nil)
	c := there.TaskTemplate.ContainerSpec
	c.Hosts[0], c.Hosts[1], c.Secrets[0].File.Name = c.Hosts[1], c.Hosts[0], "/run/secrets/key"
	if !same(normal(ours, nil), normal(there, nil)) {
		t.Error("they differ")
	}
	settle(&ours, there)
	if diff := cmp.Diff(there.TaskTemplate, ours.TaskTemplate); diff != "" {
		t.Error(diff)
	}
	c.Configs = c.Configs[:1]
	if same(normal(ours, nil), normal(there, nil)) {
		t.Error("they do not differ")
	}
}
