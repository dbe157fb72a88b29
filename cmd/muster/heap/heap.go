// Package heap puts the first collection of garbage off, from before nearly all of the program is set up.
//
// Setting up the packages that muster is made of leaves some 3 MB of garbage, so that with Go's usual setting a collection begins in the midst of every
// command, however light: a fifth of the CPU of `ps`. Later ones come as usual, so that what takes long takes no more memory than it did. Go sets packages
// up in an order that the language fixes (see the package release), so this one imports nothing that comes late. Whoever sets GOGC has it their way.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/musterhq/muster/cmd/muster/warm"
)

// At first Go lets 4 MB times a hundredth of this be allocated before it collects; 100 is its own setting.
const (
	atFirst = 400
	usual   = 100
)

func init() {
	warm.Heap()
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(atFirst)
	// Nothing holds it, so that the first collection finds it.
	runtime.AddCleanup(new(sentinel), func(int) { debug.SetGCPercent(usual) }, 0)
}

// sentinel is big enough to be allocated alone.
type sentinel [64]byte
