// Command muster brings a stack of containers to the state that a Compose file
// declares, and shows what it will do before it does it.
//
// This package turns flags into options, makes one call and prints the result.
// It is the only one that prints, asks or decides an exit code.
package main

import (
	"context"
	"os"
	"strings"

	_ "github.com/musterhq/muster/cmd/muster/heap" // for what it does before this one is set up
	"github.com/musterhq/muster/cmd/muster/warm"
)

func main() { os.Exit(start(os.Args)) }

// start is the program under any of its names; the answer is its exit code.
func start(args []string) int {
	warm.Heap()
	if isMetadata(args[1:]) {
		if err := printMetadata(os.Stdout); err != nil {
			return exitFailed
		}
		return 0
	}
	p := fromSystem()
	in := invoked(args[0], args[1:], p.getenv)
	for _, variable := range in.environ {
		// For docker's own configuration, which is read from the environment.
		key, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(key, value); err != nil {
			return exitFailed
		}
	}
	p.environ, p.called, p.globals.at.dial = append(p.environ, in.environ...), in.name, in.dial
	return run(context.Background(), p, in.args)
}
