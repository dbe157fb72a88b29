package planner

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/project"
)

// A build gets the images of the services that it starts from, and its secrets.
func TestBuildsGetTheirContextsAndSecrets(t *testing.T) {
	base := project.Service{Name: "base", WorkloadSpec: types.WorkloadSpec{Build: &types.BuildConfig{Context: "/base"}}}
	web := project.Service{Name: "web", WorkloadSpec: types.WorkloadSpec{Build: &types.BuildConfig{
		Context:            "/web",
		AdditionalContexts: types.Mapping{"base": "service:base", "src": "/src"},
		Secrets:            []types.ServiceSecretConfig{{Source: "token", Target: "id"}, {Source: "key"}},
	}}}
	want := &project.Project{
		Name: "shop", Services: map[string]project.Service{"base": base, "web": web},
		Secrets: map[string]project.Secret{"token": {Environment: "TOKEN"}, "key": {File: "/key"}}, Environment: map[string]string{"TOKEN": "t0ken"},
	}
	plan, err := Build(want, State{}, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range plan.Steps {
		a, ok := step.Action.(BuildImage)
		if !ok || a.Service != "web" {
			continue
		}
		if diff := cmp.Diff(types.Mapping{"base": "docker-image://shop-base", "src": "/src"}, a.Spec.Build.AdditionalContexts); diff != "" {
			t.Error(diff)
		}
		secrets := []File{{Key: "secrets.token", Target: "id", Content: "t0ken"}, {Key: "secrets.key", Target: "key", Source: "/key"}}
		if diff := cmp.Diff(secrets, a.Secrets); diff != "" {
			t.Error(diff)
		}
		if web.Build.AdditionalContexts["base"] != "service:base" {
			t.Error("the project was changed")
		}
		return
	}
	t.Errorf("web is not built: %+v", plan.Steps)
}
