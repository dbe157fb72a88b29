package again

import (
	"net/http"
	"testing"
	"time"
)

// What changes while nothing does is left out of an answer, and nothing else.
func TestAnswerSum(t *testing.T) {
	const containers, networks, volumes = "/v1.51/containers/json?all=1", "/v1.51/networks", "/v1.51/volumes?x"
	for _, c := range []struct {
		what, path, one, other string
		same                   bool
	}{
		{"time", containers, `[{"Id":"1","State":"running","Status":"Up 5 seconds (healthy)"}]`, `[{"Id":"1","State":"running","Status":"Up About an hour (healthy)"}]`, true},
		{"health", containers, `[{"Id":"1","Status":"Up 5 seconds (healthy)"}]`, `[{"Id":"1","Status":"Up 5 seconds (unhealthy)"}]`, false},
		{"no health", containers, `[{"Id":"1","Status":"Up 5 seconds (healthy)"}]`, `[{"Id":"1","Status":"Up 5 seconds"}]`, false},
		{"exit code", containers, `[{"Id":"1","Status":"Exited (0) 5 seconds ago"}]`, `[{"Id":"1","Status":"Exited (1) 5 seconds ago"}]`, false},
		{"time of an exit", containers, `[{"Id":"1","Status":"Exited (1) 5 seconds ago"}]`, `[{"Id":"1","Status":"Exited (1) 2 days ago"}]`, true},
		{"state", containers, `[{"State":"running","Status":"Up 5 seconds"}]`, `[{"State":"paused","Status":"Up 5 seconds"}]`, false},
		{"a label Status", containers, `[{"Labels":{"Status":"Up 5 seconds"}}]`, `[{"Labels":{"Status":"Up 6 seconds"}}]`, false},
		{"a value Status", containers, `[{"Image":"Status","Command":"Up 1"}]`, `[{"Image":"Status","Command":"Up 2"}]`, false},
		{"a quoted Status", containers, `[{"Command":"\"Status\":\"Up 1\""}]`, `[{"Command":"\"Status\":\"Up 2\""}]`, false},
		{"order", containers, `[{"Id":"1"},{"Id":"2"}]`, `[{"Id":"2"},{"Id":"1"}]`, true},
		{"number", containers, `[{"Id":"1"},{"Id":"1"}]`, `[{"Id":"1"}]`, false},
		{"order of ports", containers, `[{"Ports":[{"P":1},{"P":2}]}]`, `[{"Ports":[{"P":2},{"P":1}]}]`, true},
		{"ports for mounts", containers, `[{"Ports":[{"P":1}],"Mounts":[{"P":2}]}]`, `[{"Ports":[{"P":2}],"Mounts":[{"P":1}]}]`, false},
		{"networks of a container", containers, `[{"N":{"Networks":{"a":{"X":1},"b":{"X":2}}}}]`, `[{"N":{"Networks":{"a":{"X":2},"b":{"X":1}}}}]`, false},
		{"others' networks", networks, `[{"Name":"a","Labels":{"p":"shop"}},{"Name":"x"}]`, `[{"Name":"y"},{"Name":"z"},{"Name":"a","Labels":{"p":"shop"}}]`, true},
		{"our network", networks, `[{"Name":"shop_default","Driver":"bridge"},{"Name":"x"}]`, `[{"Name":"shop_default","Driver":"overlay"},{"Name":"x"}]`, false},
		{"our network gone", networks, `[{"Name":"shop_default"}]`, `[]`, false},
		{"one like ours", networks, `[{"Name":"shop2"}]`, `[]`, true},
		{"others' volumes", volumes, `{"Volumes":[{"Name":"x"}],"Warnings":null}`, `{"Volumes":[],"Warnings":null}`, true},
		{"our volume", volumes, `{"Volumes":[{"Name":"shop_data","Driver":"local"}]}`, `{"Volumes":[{"Name":"shop_data","Driver":"nfs"}]}`, false},
		{"use of an image", "/v1.51/images/json?x", `[{"Containers":2,"Id":"1"}]`, `[{"Containers":3,"Id":"1"}]`, true},
		{"use of an image, at its end", "/images/json", `[{"Id":"1","Containers":2}]`, `[{"Id":"1","Containers":-1}]`, true},
		{"a label of an image", "/images/json", `[{"Labels":{"Containers":"2"}}]`, `[{"Labels":{"Containers":"3"}}]`, false},
		{"an image after its use", "/images/json", `[{"Containers":2,"Id":"1"}]`, `[{"Containers":2,"Id":"2"}]`, false},
		{"Status before more", containers, `[{"Status":"Up 5 seconds","Id":"1"}]`, `[{"Status":"Up 5 seconds","Id":"2"}]`, false},
		{"images", "/images/json", `[{"Id":"1"}]`, `[{"Id":"2"}]`, false},
		{"an object", "/images/x/json", `{"Id":"1","Layers":["a","b"]}`, `{"Id":"1","Layers":["b","a"]}`, false},
		{"no JSON", containers, `[{"Status":"Up`, `[{"Status":"Up 1`, false},
		{"rubbish", containers, `]}]`, `}`, false},
	} {
		sum := func(body string) string {
			return answerSum(Exchange{Method: "GET", Path: c.path, Status: 200, Header: http.Header{}.Get, Body: []byte(body)}, []string{"shop", "shop_default", "shop_data"})
		}
		if same := sum(c.one) == sum(c.other); same != c.same {
			t.Errorf("%s: same is %v", c.what, same)
		}
	}
}

// The engine counts as well: another one at the same address, or the same after an upgrade.
func TestAnswerSumOfEngine(t *testing.T) {
	seen := map[string]int{}
	for i, e := range []Exchange{
		{Method: "HEAD", Path: "/_ping", Status: 200, Header: http.Header{"Api-Version": {"1.51"}}.Get},
		{Method: "HEAD", Path: "/_ping", Status: 200, Header: http.Header{"Api-Version": {"1.52"}}.Get},
		{Method: "HEAD", Path: "/_ping", Status: 500, Header: http.Header{"Api-Version": {"1.51"}}.Get},
		{Method: "HEAD", Path: "/_ping", Status: 200, Header: http.Header{"Api-Version": {"1.51"}, "Server": {"Docker/28.5.2 (linux)"}}.Get},
		{Method: "GET", Path: "/_ping", Status: 200, Header: http.Header{"Api-Version": {"1.51"}}.Get},
	} {
		sum := answerSum(e, nil)
		if other, ok := seen[sum]; ok {
			t.Errorf("%d is as %d", i, other)
		}
		seen[sum] = i
	}
}

// Whatever an engine says, it comes to something, and what is split has all of it.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{`[{"a":[{"b":1}]}]`, `{"Volumes":[{"a":"]"}]}`, `]]}{[{"`, `[{"Status":"Up (`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p pieces
		p.split([]byte(text))
		size := len(p.around)
		for _, p := range p.parts {
			size += len(p.text)
		}
		if size != len(text) {
			t.Errorf("%q: %q and %v", text, p.around, p.parts)
		}
		timeless(nil, []byte(text))
		field([]byte(text), "Containers")
	})
}

// Only a whole list is shown, and only by a view that can be read.
func TestShown(t *testing.T) {
	const ids = `{"All":true,"As":"ids"}`
	const one = `[{"Id":"1","Names":["/a"],"Labels":{"com.docker.compose.oneoff":"False","com.docker.compose.service":"a"}}]`
	for _, c := range []struct {
		view, body string
		status     int
		want       string
		ok         bool
	}{
		{ids, one, 200, "1\n", true},
		{ids, "[]", 200, "", true},
		{ids, one, 500, "", false},
		{ids, one[:20], 200, "", false},
		{ids, `{"message":"no"}`, 200, "", false},
		{"", one, 200, "", false},
		{"{}", one, 200, "", false},
		{`{"As":"ids","Undeclared":["a"]}`, one, 200, "", true},
		{`{"As":"ids","Undeclared":["b"]}`, one, 200, "", false},
	} {
		text, ok := shown(c.view, Exchange{Status: c.status, Body: []byte(c.body)}, time.Now())
		if ok != c.ok || string(text) != c.want {
			t.Errorf("%s of %s: %q, %v", c.view, c.body, text, ok)
		}
	}
}
