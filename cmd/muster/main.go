// Command muster brings a stack of containers to the state that a Compose file
// declares, and shows what it will do before it does it.
//
// This package turns flags into options, makes one call and prints the result.
// It is the only one that prints, asks or decides an exit code.
package main

import (
	"context"
	"os"
)

func main() { os.Exit(run(context.Background(), fromSystem(), os.Args[1:])) }
