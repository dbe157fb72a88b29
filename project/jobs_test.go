package project

import (
	"slices"
	"testing"
)

const jobsFile = `services: {db: {image: db}, web: {image: web}}
jobs:
  migrate:
    image: tool
    depends_on: [db]
    secrets: [token]
    triggers: {manual: true}
  nightly: {image: tool, profiles: [ops], triggers: {schedule: ["0 3 * * *"]}}
  auto: {image: tool, triggers: {manual: false, schedule: ["0 3 * * *"]}}
  after: {image: tool, depends_on: [migrate], triggers: {manual: true}}
  astray: {image: tool, depends_on: [dbb], triggers: {manual: true}}
secrets: {token: {environment: TOKEN}}
`

// A job that is to be run is a service like any other, with what it depends on; nobody else makes anything of it.
func TestJobsAsServices(t *testing.T) {
	for _, test := range []struct {
		job      string
		services []string
	}{
		{"migrate", []string{"db", "migrate"}},
		{"nightly", []string{"nightly"}}, // by its name its profile is active
		{"web", []string{"web"}},
	} {
		d := newDesk(t, jobsFile, "TOKEN=x")
		d.o.Services, d.o.Jobs = []string{test.job}, true
		p := d.load()
		if got := sortedKeys(p.Services); !slices.Equal(got, test.services) {
			t.Errorf("run %s: services %v, want %v", test.job, got, test.services)
		}
		if _, used := p.Secrets["token"]; used != (test.job == "migrate") {
			t.Errorf("run %s: secrets %v", test.job, p.Secrets)
		}
	}
	d := newDesk(t, jobsFile)
	if got := sortedKeys(d.load().Services); !slices.Equal(got, []string{"db", "web"}) {
		t.Errorf("services %v", got)
	}
	d.o.Services = []string{"migrate"}
	d.wants(`no service "migrate"`)
}

func TestJobsThatCannotBeRun(t *testing.T) {
	for job, wants := range map[string][]string{
		"auto":   {"compose.yaml:9:42  jobs.auto.triggers.manual: the job is not to be run by hand"},
		"after":  {"compose.yaml:10:37  jobs.after.depends_on.migrate: \"migrate\" is a job, and no job is run for another one", "muster run --rm migrate"},
		"astray": {"compose.yaml:11:38  jobs.astray.depends_on", `no service "dbb"`, `did you mean "db"?`},
		"migrat": {`no service "migrat"`, `did you mean "migrate"?`},
	} {
		d := newDesk(t, jobsFile, "TOKEN=x")
		d.o.Services, d.o.Jobs = []string{job}, true
		d.wants(wants...)
	}
}

// What has no effect is said where it is written.
func TestSchedulesAreWarnedAbout(t *testing.T) {
	d := newDesk(t, jobsFile, "TOKEN=x")
	var got []string
	for _, w := range d.load().Warnings {
		e := Error(w)
		got = append(got, e.Error())
	}
	want := "compose.yaml:8:54  jobs.nightly.triggers.schedule: has no effect on docker"
	if !slices.ContainsFunc(got, func(s string) bool { return len(s) >= len(want) && s[:len(want)] == want }) {
		t.Errorf("warnings %q", got)
	}
}
