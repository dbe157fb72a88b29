package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/cli/cli-plugins/metadata"
)

// Under the name docker-NAME the program is a plugin of the docker command, which runs it as
//
//	docker-NAME [docker's global flags] NAME arguments…
//
// so that `docker NAME` works. The name may be docker-compose.

// invocation is how the program was called.
type invocation struct {
	name string   // to show: "muster", or "docker muster"
	args []string // with docker's own taken out
	// environ is what docker's flags come to, as KEY=VALUE.
	environ []string
	// dial is a command whose standard input and output are a connection to the engine, where docker wants it used.
	dial []string
}

// invoked reads the command line. program is the path that the program was started by.
func invoked(program string, args []string, getenv func(string) string) invocation {
	plugin, is := strings.CutPrefix(strings.TrimSuffix(filepath.Base(program), ".exe"), metadata.NamePrefix)
	if !is || plugin == "" {
		return invocation{name: "muster", args: args}
	}
	if getenv(metadata.ReexecEnvvar) == "" { // not by docker
		return invocation{name: metadata.NamePrefix + plugin, args: standAlone(args)}
	}
	in := invocation{name: "docker " + plugin}
	completing := len(args) > 0 && strings.HasPrefix(args[0], "__complete")
	if completing {
		in.args, args = args[:1:1], args[1:]
	}
	given := args
	args = in.takeGlobals(args)
	if getenv(dialVariable) != "" {
		in.dial = slices.Concat([]string{getenv(metadata.ReexecEnvvar)}, given[:len(given)-len(args)], []string{"system", "dial-stdio"})
	}
	if len(args) > 0 && args[0] == plugin {
		args = args[1:]
	}
	in.args = append(in.args, args...)
	return in
}

// dockerGlobals are docker's flags that take a value, by both of their spellings.
func dockerGlobals() map[string]string {
	return map[string]string{
		"--config": "config", "-c": "context", "--context": "context", "-H": "host", "--host": "host", "-l": "log", "--log-level": "log",
		"--tlscacert": "key", "--tlscert": "key", "--tlskey": "key",
	}
}

// takeGlobals takes docker's own flags from the front, and answers with the rest.
func (in *invocation) takeGlobals(args []string) []string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, joined := strings.Cut(args[0], "=")
		meaning, takesValue := dockerGlobals()[name]
		args = args[1:]
		if takesValue && !joined && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch {
		case meaning == "config":
			in.environ = append(in.environ, "DOCKER_CONFIG="+value)
		case meaning == "context", meaning == "host":
			in.args = append(in.args, "--"+meaning, value)
		case meaning == "key":
			in.environ = append(in.environ, "DOCKER_CERT_PATH="+filepath.Dir(value))
		case name == "--tlsverify":
			in.environ = append(in.environ, "DOCKER_TLS_VERIFY=1")
		}
	}
	return args
}

// standAlone accepts what docker-compose accepts beyond muster's own.
func standAlone(args []string) []string {
	command := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if command < 0 {
		command = len(args)
	}
	globals := slices.DeleteFunc(slices.Clone(args[:command]), func(arg string) bool {
		return arg == "--verbose" || arg == "--debug" || arg == "-D"
	})
	return append(globals, args[command:]...)
}

// isMetadata says whether docker only wants to know what plugin this is. That must not touch any engine.
func isMetadata(args []string) bool {
	return len(args) == 1 && args[0] == metadata.MetadataSubcommandName
}

// printMetadata tells docker about the plugin.
func printMetadata(w io.Writer) error {
	return encodeLine(w, metadata.Metadata{
		SchemaVersion: "0.1.0", Vendor: "the muster authors", Version: versionNumber(),
		ShortDescription: "Bring a stack of containers to the state that a Compose file declares",
		URL:              "https://github.com/musterhq/muster",
	})
}

const (
	// dialVariable is set where docker's own way to the engine has to be gone, such as through a context of a kind that only it knows.
	dialVariable = "DOCKER_CLI_PLUGIN_USE_DIAL_STDIO"
	// pluginSocket names the socket that docker closes when the user wants us to end.
	pluginSocket = "DOCKER_CLI_PLUGIN_SOCKET"
	// signalFirst is how long a signal may be behind the socket: in a terminal both come, and mean one Ctrl-C.
	signalFirst = 200 * time.Millisecond
)

// underDocker passes signals on, and takes the end of docker's socket for one where none has come.
func underDocker(socket string, from <-chan os.Signal, to chan<- os.Signal) {
	var seen atomic.Bool
	go func() {
		for s := range from {
			seen.Store(true)
			to <- s
		}
	}()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return // an older docker, or one that has ended: the terminal's signals come anyway
	}
	go func() {
		defer conn.Close()
		_, _ = io.Copy(io.Discard, conn) // docker sends nothing
		time.Sleep(signalFirst)
		if !seen.Load() {
			to <- os.Interrupt
		}
	}()
}
