package docker

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// told checks an error's text and hint; both are patterns in which * stands for anything.
func told(t *testing.T, err error, problem, hint string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want %s", problem)
		return
	}
	var h runner.Hinter
	got := ""
	if errors.As(err, &h) {
		got = h.Hint()
	}
	if !matches(problem, err.Error()) || !matches(hint, got) {
		t.Errorf("got  %s\n     %s\nwant %s\n     %s", err, got, problem, hint)
	}
}

func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, p := range parts[1:] {
		i := strings.Index(rest, p)
		if !ok || i < 0 {
			return false
		}
		rest = rest[i+len(p):]
		if p == "" {
			rest = ""
		}
	}
	return ok && rest == ""
}

func TestErrorsOfContainers(t *testing.T) {
	r := newRig(t)
	r.do(r.shell("first", sleeper, nil))
	missing := filepath.Join(t.TempDir(), "missing")
	for service, c := range map[string]struct {
		change        func(*planner.CreateContainer)
		problem, hint string
	}{
		"image": {func(a *planner.CreateContainer) { a.Image = "muster.local/nothing:1" },
			"image muster.local/nothing:1 is not on the engine", "pull it with `muster pull image`, *"},
		"bind": {func(a *planner.CreateContainer) {
			a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "bind", Source: missing, Target: "/x", Bind: &types.ServiceVolumeBind{}}}
		}, missing + " is mounted into bind and does not exist", "make it, or correct services.bind.volumes"},
		"name": {func(a *planner.CreateContainer) { a.Name = r.name("first") },
			"the name " + r.name("first") + " is taken by container * of this project", "choose another name, or remove that container with `muster -p " + r.project + " rm -sf first`"},
		"name of another's": {func(a *planner.CreateContainer) {
			a.Name, a.Labels[planner.LabelProject] = r.name("first"), "another"
		}, "the name " + r.name("first") + " is taken by container * of project " + r.project, "bring that project down with `muster -p " + r.project + " down`, *"},
		"command": {func(a *planner.CreateContainer) { a.Spec.Command = []string{"no-such-program"} },
			"command cannot start: its command is not in the image (*no-such-program*)", "correct services.command.command or .entrypoint, *"},
		"denied": {func(a *planner.CreateContainer) { a.Spec.Command = []string{"/etc"} },
			"denied cannot start: its command may not be executed (*/etc*)", "make the file executable*"},
		"network": {func(a *planner.CreateContainer) {
			a.Networks = map[string]string{"n": r.project + "_n"}
			a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"n": nil}
		}, "container * cannot start: *" + r.project + "_n*not found", "the network was removed meanwhile; *"},
	} {
		if service == "bind" && r.isPodman() {
			continue // it makes the folder, whatever it is told
		}
		a := r.shell(service, sleeper, c.change)
		err := r.Apply(r.ctx, a, nil)
		if err == nil {
			err = r.Apply(r.ctx, planner.StartContainer{Name: a.Name, Service: service}, nil)
		}
		told(t, err, c.problem, c.hint)
	}
}

func TestPortTakenByAContainer(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		t.Run(protocol, func(t *testing.T) { takenByAContainer(t, protocol) })
	}
}

func takenByAContainer(t *testing.T, protocol string) {
	r := newRig(t)
	publish := func(port string) func(*planner.CreateContainer) {
		return func(a *planner.CreateContainer) {
			a.Labels[planner.LabelWorkingDir] = "/src/blog"
			a.Spec.NetworkMode = "bridge"
			a.Spec.Ports = []types.ServicePortConfig{{Target: 80, Published: port, HostIP: "127.0.0.1", Protocol: protocol}}
		}
	}
	r.do(r.shell("blog", sleeper, publish("")), planner.StartContainer{Name: r.name("blog")})
	blog, err := r.Inspect(r.ctx, r.name("blog"))
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(blog.Ports[0].Published)
	r.do(r.shell("web", sleeper, publish(port)))
	err = r.Apply(r.ctx, planner.StartContainer{Name: r.name("web"), Service: "web"}, nil)
	told(t, err, fmt.Sprintf("port %s is taken by container %s (project %s, /src/blog)", port, r.name("blog"), r.project),
		fmt.Sprintf("stop it with `muster -p %s stop blog`, publish another port, or run a copy of this stack with free ports: `muster up --instance 2`", r.project))
}

func TestPortTakenByAProcess(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	r.do(r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Spec.NetworkMode = "bridge"
		a.Spec.Ports = []types.ServicePortConfig{{Target: 80, Published: port, HostIP: "127.0.0.1"}}
	}))
	err = r.Apply(r.ctx, planner.StartContainer{Name: r.name("web"), Service: "web"}, nil)
	if err == nil {
		t.Skip("this engine has a network of its own, in which the port is free")
	}
	told(t, err, fmt.Sprintf("port %s is taken by docker.test (pid %d)", port, os.Getpid()), "stop it, or publish another port")
}

func TestThingsInUse(t *testing.T) {
	r := newRig(t)
	r.do(r.network("front"), r.volume("data"), r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Networks = map[string]string{"front": r.project + "_front"}
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"front": nil}
		a.Volumes = map[string]string{"data": r.project + "_data"}
		a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/data"}}
	}), planner.StartContainer{Name: r.name("web")})
	for kind, a := range map[string]planner.Action{
		"network": planner.RemoveNetwork{Name: r.project + "_front"}, "volume": planner.RemoveVolume{Name: r.project + "_data"},
	} {
		told(t, r.Apply(r.ctx, a, nil), fmt.Sprintf("%s %s is still used by %s (project %s)", kind, a.Resource().Name, r.name("web"), r.project),
			"stop and remove them first, or keep the "+kind)
	}
}

func TestTakenPort(t *testing.T) {
	for text, want := range map[string]string{
		"driver failed programming external connectivity on endpoint x (1234): Bind for 0.0.0.0:8080 failed: port is already allocated":                 "8080 tcp,udp",
		"driver failed programming external connectivity on endpoint x (1234): Bind for :::8080 failed: port is already allocated":                      "8080 tcp,udp",
		"failed to set up container networking: driver failed: failed to bind host port for 127.0.0.1:5432:172.18.0.2:5432/tcp: address already in use": "5432 tcp",
		"failed to bind host port 0.0.0.0:53/udp: address already in use":                                                                               "53 udp",
		"failed to bind host port [::]:8443/tcp: address already in use":                                                                                "8443 tcp",
		"Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use":                                                           "80 tcp",
		"listen udp6 [::1]:53: bind: address already in use":                                                                                            "53 udp",
		"rootlessport listen tcp 0.0.0.0:8080: bind: address already in use":                                                                            "8080 tcp",
		"something else": " tcp,udp",
	} {
		port, protocols := takenPort(text)
		if got := port + " " + strings.Join(protocols, ","); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestErrorsOfPulls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ref, said, problem, hint string }{
		{"shop/nothing", "pull access denied for shop/nothing, repository does not exist or may require 'docker login': denied: requested access",
			"image shop/nothing could not be pulled: there is no such image at docker.io, or it is not public", "correct the name, or log in with `docker login`"},
		{"registry.example.com/db:3", "Head \"https://registry.example.com/v2/db/manifests/3\": unauthorized: authentication required",
			"image registry.example.com/db:3 could not be pulled: authentication required", "log in with `docker login registry.example.com`"},
		{"postgres:99", "manifest for postgres:99 not found: manifest unknown: manifest unknown",
			"image postgres:99 could not be pulled: there is no such tag or image at docker.io", "correct services.db.image"},
		{"i:1", "no matching manifest for linux/riscv64 in the manifest list entries",
			"image i:1 could not be pulled: it is not made for the engine's platform", "set services.db.platform*"},
		{"r.example.com/i", "Get \"https://r.example.com/v2/\": dial tcp: lookup r.example.com: Temporary failure in name resolution",
			"image r.example.com/i could not be pulled: r.example.com does not answer", "look at the engine's network*"},
		{"r.example.com:5000/i", "Get \"https://r.example.com:5000/v2/\": dial tcp: lookup r.example.com: no such host",
			"image r.example.com:5000/i could not be pulled: r.example.com:5000 does not answer", "look at the engine's network*"},
		{"i", "toomanyrequests: You have reached your pull rate limit", "image i could not be pulled: too many pulls from docker.io", "log in with `docker login`, or wait"},
		{"r.example.com/i", "x509: certificate signed by unknown authority", "image r.example.com/i could not be pulled: the certificate of r.example.com is not trusted*", "install its CA*"},
		{"i", "write /var/lib/docker/tmp/x: no space left on device", "pull image \"i\": no space left on the engine's disk", "`docker system df`*"},
		{"i", "a new kind of trouble", "pull image \"i\": a new kind of trouble", ""},
	} {
		for _, late := range []bool{false, true} { // in the answer, and in the stream after it
			e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
				if !late {
					w.WriteHeader(http.StatusInternalServerError)
					fmt.Fprintf(w, `{"message":%q}`, c.said)
					return
				}
				fmt.Fprintf(w, `{"status":"Pulling","id":"1"}{"errorDetail":{"message":%q},"error":%q}`, c.said, c.said)
			})
			told(t, e.Apply(t.Context(), planner.PullImage{Ref: c.ref, Services: []string{"db"}}, nil), c.problem, c.hint)
		}
	}
}

func TestPullReportsLayersAndUsesCredentials(t *testing.T) {
	var auth string
	e := fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, "/images/create") {
			return
		}
		auth = req.Header.Get("X-Registry-Auth")
		fmt.Fprint(w, `{"status":"Pulling from db","id":"3"}{"status":"Downloading","id":"a1","progressDetail":{"current":5,"total":9}}{"status":"Digest: sha256:1"}`)
	})
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(`{"auths":{"registry.example.com":{"auth":"bWU6cHc="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	with, err := Open(Options{Host: e.Host(), ConfigDir: filepath.Dir(config)})
	if err != nil {
		t.Fatal(err)
	}
	defer with.Close()
	var got []string
	report := func(p runner.Progress) {
		got = append(got, fmt.Sprintf("%s %s %d/%d", p.ID, p.Text, p.Current, p.Total))
	}
	if err := with.Apply(t.Context(), planner.PullImage{Ref: "registry.example.com/db:3"}, report); err != nil {
		t.Fatal(err)
	}
	if want := "3 Pulling from db 0/0|a1 Downloading 5/9| Digest: sha256:1 0/0"; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	if auth == "" || strings.HasPrefix("e30", auth) {
		t.Errorf("no credentials were sent: %q", auth)
	}
}

// An optional pull that fails is good enough when the image is there.
func TestOptionalPull(t *testing.T) {
	there := true
	e := fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/images/create") || !there {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"manifest unknown"}`)
			return
		}
		fmt.Fprint(w, `{"Id":"sha256:1"}`)
	})
	pull := planner.PullImage{Ref: "db:3", Services: []string{"db"}, Optional: true}
	if err := e.Apply(t.Context(), pull, nil); err != nil {
		t.Error(err)
	}
	there = false
	told(t, e.Apply(t.Context(), pull, nil), "image db:3 could not be pulled: there is no such tag or image at docker.io", "correct services.db.image")
}

// What rootless Dockers 20.10 and 28.5 have answered.
func TestErrorsOfRootlessEngines(t *testing.T) {
	const proxy = `driver failed programming external connectivity on endpoint shop-web-1 (a3dac62): `
	for name, c := range map[string]struct{ text, problem, hint string }{
		"root's port": {
			proxy + `Error starting userland proxy: error while calling PortManager.AddPort(): cannot expose privileged port 81, you can add 'net.ipv4.ip_unprivileged_port_start=81' to /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a larger port number (>= 1024): listen tcp4 0.0.0.0:81: bind: permission denied`,
			"web cannot publish port 81: the engine is rootless, and that port is root's",
			"publish one from 1024 on, or allow it on the engine's machine: `sudo sysctl net.ipv4.ip_unprivileged_port_start=81`",
		},
		"somebody else's folder": {
			`error while creating mount source path '/root/my site': mkdir /root/my site: permission denied`,
			"/root/my site is mounted into web, and the engine may not go there",
			"a rootless engine goes where its user may: let that user read it, or correct services.web.volumes",
		},
		"somebody else's file": {
			`invalid mount config for type "bind": stat /root/conf: permission denied`,
			"/root/conf is mounted into web, and the engine may not go there",
			"a rootless engine goes where its user may: let that user read it, or correct services.web.volumes",
		},
		"engine without its proxy": {proxy + `exec: "docker-proxy": executable file not found in $PATH`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := fakeEngine(t, nil).explainStart(t.Context(), errors.New(c.text), "shop-web-1", "web")
			if c.problem == "" {
				if err != nil {
					t.Errorf("it is taken for something else: %v", err)
				}
				return
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || err.Error() != c.problem || hinted.Hint() != c.hint {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What engines answer when a network is full.
func TestErrorsOfFullNetworks(t *testing.T) {
	const hint = "give it a larger range, such as ipam.config: [{subnet: 10.99.0.0/20}] below its key in networks, or part the services over several networks"
	for text, problem := range map[string]string{
		"failed to set up container networking: no available IPv4 addresses on this network's address pools: shop_default (2d06090ce8ac)": "network shop_default has no address left",
		"no available IPv4 addresses on this network's address pools: shop_default (2d06090ce8ac)":                                        "network shop_default has no address left",
		"netavark: IPAM error: failed to find free IP in range: 10.89.0.1 - 10.89.0.254":                                                  "its network has no address left",
	} {
		told(t, fakeEngine(t, nil).explainStart(t.Context(), errors.New(text), "shop-web-1", "web"), problem, hint)
	}
}
