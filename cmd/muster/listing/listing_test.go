package listing

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// list is as an engine gives it: in no order, and with one that is somebody else's.
const list = `[
{"Id":"0123456789abcdef","Names":["/other/web","/shop-web-1"],"Image":"web:1","Command":"serve","Created":1764446400,"State":"running","Status":"Up 2 hours (healthy)",
 "Ports":[{"IP":"::","PrivatePort":81,"PublicPort":8081,"Type":"tcp"},{"PrivatePort":90,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}],
 "Labels":{"com.docker.compose.service":"web","com.docker.compose.container-number":"1"},"NetworkSettings":{"Networks":{"front":{},"back":{},"none":null}},
 "Mounts":[{"Type":"bind","Source":"/a/very/long/folder","Destination":"/b"},{"Type":"volume","Name":"data","Destination":"/a"}]},
{"Id":"2","Names":["/shop-db-1"],"State":"stopped","Status":"Exited (3) 2 hours ago","Labels":{"com.docker.compose.service":"db","com.docker.compose.config-hash":"1"}},
{"Id":"3","Names":["/once"],"State":"paused","Labels":{"com.docker.compose.service":"db","com.docker.compose.oneoff":"True"}},
{"Id":"4","Names":["/theirs"],"State":"running","Labels":{"com.docker.compose.service":"web"}}
]`

func TestDecode(t *testing.T) {
	got, err := Decode([]byte(list), JSON)
	if err != nil || len(got) != 3 {
		t.Fatalf("%v, %v", got, err)
	}
	if got[0].Name != "once" || !got[0].OneOff || got[1].Name != "shop-db-1" || got[1].Status != "exited" || got[1].ExitCode != 3 {
		t.Errorf("%+v", got[:2])
	}
	row := newRow(got[2], "shop", time.Unix(1764450000, 0), true)
	for got, want := range map[string]string{
		row.Name: "shop-web-1", row.Health: "healthy", row.Networks: "back,front", row.Mounts: "data,/a/very/long/f…", row.LocalVolumes: "1", row.ID: "0123456789ab",
		row.Ports: "[::]:8080->80/tcp, [::]:8081->81/tcp, 90/tcp", row.RunningFor: "About an hour ago", row.CreatedAt: "2025-11-29 20:00:00 +0000 UTC",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, bad := range []string{"", "{}", "[", `[{"Id":1}]`, list + "x", `{"message":"no"}`, `[{"Ports":[{"PrivatePort":70000}]}]`} {
		for _, as := range []Form{JSON, Table} {
			if got, err := Decode([]byte(bad), as); err == nil {
				t.Errorf("%q as %s is %v", bad, as, got)
			}
		}
	}
}

func TestView(t *testing.T) {
	of, err := Decode([]byte(list), JSON)
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]View{
		"web":         {},
		"db db web":   {All: true},
		"db":          {Status: []string{"exited"}},
		"db db":       {All: true, Status: []string{"exited", "paused"}},
		"web ":        {Named: []string{"web"}},
		"db web":      {Status: []string{"exited", "running"}, Undeclared: []string{"db"}},
		"web  ":       {All: true, NoOrphans: true, Declared: []string{"web"}},
		"":            {NoOrphans: true},
		"db  db  web": {All: true, As: IDs},
	} {
		var services []string
		for _, r := range v.Rows(of, time.Now()) {
			services = append(services, r.Service)
		}
		if !slices.Equal(services, strings.Fields(want)) {
			t.Errorf("%+v: %s", v, services)
		}
		if v.Mistaken(of) {
			t.Errorf("%+v is a mistake", v)
		}
	}
	if v := (View{Undeclared: []string{"db", "dbs"}}); !v.Mistaken(of) {
		t.Error("a service that is not there is none")
	}
	for as, want := range map[Form]string{IDs: "3\n2\n0123456789abcdef\n", Services: "db\nweb\n", Table: "NAME ", JSON: `{"Command":"\"\"",`, "": ""} {
		v := View{All: true, As: as}
		text, ok := v.Text(v.Rows(of, time.Now()))
		if ok != (as != "") || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s: %v\n%s", as, ok, text)
		}
	}
}

// same says whether two containers are, as far as all forms know them.
func same(a, b Container) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Service == b.Service && a.OneOff == b.OneOff && a.Image == b.Image && a.Command == b.Command && a.Status == b.Status &&
		a.Since == b.Since && a.Health == b.Health && a.ExitCode == b.ExitCode && a.Created.Equal(b.Created) && slices.Equal(a.Ports, b.Ports)
}

// Whatever an engine answers, it can be shown or it is none.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{list, "[]", "null", "[null]", `[{"Labels":{ "com.docker.compose.oneoff" : "\u0054rue" , "a\"":null, "b": 1 } }]`, `[{"Labels":{"com.docker.compose.oneoff":null,"com.docker.compose.container-number":"1"}}]`,
		`[{"Labels":{"com.docker.compose.oneoff":"True"},"labels":{}}]`, `[{"Labels":{}},{"Labels":null},{"Labels":[]}]`, `[{"Labels":{"com.docker.compose.oneoff":"True","com.docker.compose.oneoff":"False"},"Names":["/a"],"Command":"é\"","Mounts":[{}],"Ports":[{}]}]`} {
		f.Add([]byte(text))
		f.Add([]byte(strings.ReplaceAll(text, "compose.", `com\u0070ose.`)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		whole, err := Decode(body, JSON)
		if err != nil {
			return
		}
		for _, as := range []Form{Table, JSON, IDs, Services} {
			of, err := Decode(body, as)
			if err != nil || !slices.EqualFunc(of, whole, same) {
				t.Errorf("%q: %v, %+v as %s, and all of it %+v", body, err, of, as, whole)
			}
			for _, whole := range []bool{true, false} {
				v := View{Project: "shop", All: true, Whole: whole, As: as}
				rows := v.Rows(of, time.Unix(0, 0))
				if text, ok := v.Text(rows); len(rows) != len(of) || ok && as == JSON && strings.Count(string(text), "\n") != len(rows) {
					t.Errorf("%q as %s: %q", body, as, text)
				}
			}
		}
	})
}
