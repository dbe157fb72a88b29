package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestInvoked(t *testing.T) {
	for _, c := range []struct {
		program  string
		byDocker bool
		args     string
		name     string
		want     string // arguments | variables
	}{
		{"/usr/bin/muster", false, "up -d", "muster", "up -d"},
		{"muster.exe", false, "-v", "muster", "-v"},
		{"/x/docker-muster", true, "muster up -d", "docker muster", "up -d"},
		{"/x/docker-muster", true, "-c other muster ps", "docker muster", "--context other ps"},
		{"/x/docker-muster", true, "--host=tcp://h:1 --debug -l info muster -p shop ps muster", "docker muster", "--host tcp://h:1 -p shop ps muster"},
		{"/x/docker-muster", true, "--config /c --tlsverify --tlscacert /k/ca.pem muster ls", "docker muster", "ls | DOCKER_CONFIG=/c DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/k"},
		{"/x/docker-compose", true, "compose -f a.yaml config", "docker compose", "-f a.yaml config"},
		{"/x/docker-compose.exe", true, "compose version", "docker compose", "version"},
		{"/x/docker-muster", true, "__complete muster up we", "docker muster", "__complete up we"},
		{"/x/docker-muster", true, "__completeNoDesc -c other muster up we", "docker muster", "__completeNoDesc --context other up we"},
		{"/x/docker-compose", false, "--verbose -f a.yaml up --debug", "docker-compose", "-f a.yaml up --debug"},
	} {
		in := invoked(c.program, strings.Fields(c.args), func(key string) string {
			if key == "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" && c.byDocker {
				return "/usr/bin/docker"
			}
			return ""
		})
		got := strings.Join(in.args, " ")
		if len(in.environ) > 0 {
			got += " | " + strings.Join(in.environ, " ")
		}
		if got != c.want || in.name != c.name {
			t.Errorf("%s %s:\n got %q as %q\nwant %q as %q", c.program, c.args, got, in.name, c.want, c.name)
		}
	}
}

// Where docker wants its own way to the engine used, the plugin asks docker for it, with the flags that docker got.
func TestInvokedToDial(t *testing.T) {
	in := invoked("/x/docker-muster", []string{"-c", "other", "muster", "ps"}, func(key string) string {
		return map[string]string{"DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND": "/usr/bin/docker", "DOCKER_CLI_PLUGIN_USE_DIAL_STDIO": "1"}[key]
	})
	if got, want := strings.Join(in.dial, " "), "/usr/bin/docker -c other system dial-stdio"; got != want {
		t.Errorf("dials by %q, want %q", got, want)
	}
}

func TestMetadata(t *testing.T) {
	var out strings.Builder
	if err := printMetadata(&out); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"SchemaVersion", "Vendor", "Version", "ShortDescription"} {
		if got[key] == "" {
			t.Errorf("no %s in %s", key, &out)
		}
	}
	if !isMetadata([]string{"docker-cli-plugin-metadata"}) || isMetadata([]string{"up"}) {
		t.Error("it does not know what docker asks")
	}
}

// What docker closes is a Ctrl-C, unless that has come as well.
func TestUnderDocker(t *testing.T) {
	for _, signalled := range []bool{false, true} {
		socket := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		from, to := make(chan os.Signal), make(chan os.Signal, 4)
		underDocker(socket, from, to)
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if signalled {
			from <- syscall.SIGTERM
		}
		conn.Close()
		var got []os.Signal
		for len(got) == 0 {
			got = append(got, <-to)
		}
		select {
		case s := <-to:
			got = append(got, s)
		case <-time.After(2 * signalFirst): // none may come
		}
		want := []os.Signal{os.Interrupt}
		if signalled {
			want = []os.Signal{syscall.SIGTERM}
		}
		if !slices.Equal(got, want) {
			t.Errorf("signalled=%v: %v, want %v", signalled, got, want)
		}
	}
}
