// Package heap lets memory grow further before the first collection, from before nearly all of the program is set up.
//
// Setting up the packages that muster is made of leaves some 3 MB of garbage, so that with Go's usual setting a collection begins in the midst of every
// command, however light: a fifth of the CPU of `ps`. Go sets packages up in an order that the language fixes (see the package release), so this one
// imports nothing that comes late. Whoever sets GOGC has it their way.
package heap

import (
	"os"
	"runtime/debug"
)

// percent is how much may be allocated anew before a collection, in hundredths of what is in use, with 4 MB as the unit of little.
const percent = 200

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
