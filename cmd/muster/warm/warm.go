// Package warm has the kernel give this program at once the memory that it is going to use, before nearly all of it is set up.
//
// A program gets its memory page by page, each when it is first touched: a fault, which takes 8 to 14 µs on the virtual machine that muster was measured
// on. Setting up the packages that muster is made of, and its commands, touches 7 MB of the heap and 12 MB of the program in some two thousand faults. So
// the first of the heap comes in huge pages (2 MB each), and what is in memory of the program's file is mapped by two calls, on another core than the
// rest. A kernel that has neither leaves it at faults.
//
// Profiling memory costs a fiftieth, whether anybody reads it or not; it is only on for --profile-mem.
//
// Packages are set up in an order that the language fixes (see the package release), so this one imports nothing that comes late. It comes after what
// answers early, which needs none of it.
package warm

import (
	"os"
	"runtime"
	"slices"
	"strings"

	_ "github.com/musterhq/muster/cmd/muster/again" // is set up first, and may have ended the program
)

func init() {
	if !profiled(os.Args) {
		runtime.MemProfileRate = 0
	}
}

// profiled says whether one of the arguments may be --profile-mem, with its value or before it.
func profiled(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--profile-mem") })
}
