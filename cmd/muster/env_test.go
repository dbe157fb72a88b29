package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// Ports are reached where the engine is, unless they are published at an address of their own.
func TestEnvOfAnEngineElsewhere(t *testing.T) {
	var seen observed
	seen.name = "shop"
	seen.have.Containers = []planner.Container{{Name: "shop-web-1", Service: "web", Number: 1, Status: planner.Running, Ports: []planner.Port{
		{HostIP: "0.0.0.0", Published: 8080, Target: 80, Protocol: "tcp"}, {HostIP: "::", Published: 8080, Target: 80, Protocol: "tcp"},
		{HostIP: "10.0.0.7", Published: 15432, Target: 5432, Protocol: "tcp"}, {HostIP: "0.0.0.0", Published: 5353, Target: 53, Protocol: "udp"},
	}}}
	got := map[string]string{}
	for _, v := range envOf(runner.HostName("ssh://ann@build.example.com"), seen, nil) {
		got[v.key] = v.value
	}
	want := map[string]string{
		"COMPOSE_PROJECT_NAME": "shop",
		"WEB_80_HOST":          "build.example.com", "WEB_80_PORT": "8080", "WEB_80_URL": "http://build.example.com:8080",
		"WEB_5432_HOST": "10.0.0.7", "WEB_5432_PORT": "15432", "WEB_5432_URL": "postgresql://10.0.0.7:15432",
		"WEB_53_HOST": "build.example.com", "WEB_53_PORT": "5353",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
