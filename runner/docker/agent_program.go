package docker

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
)

// AgentProgram is the path of a muster that can run in a container of an engine: own, where that is a static program for the same
// system, or else a muster-linux-ARCH that lies beside it.
func AgentProgram(own, system, arch string) (string, error) {
	if system != "linux" {
		return "", &refusal{problem: "muster has no agent for containers of " + system, hint: "use an engine that runs Linux containers"}
	}
	if runtime.GOOS == system && runtime.GOARCH == arch && isStatic(own) {
		return own, nil
	}
	beside := filepath.Join(filepath.Dir(own), "muster-linux-"+arch)
	if isStatic(beside) {
		return beside, nil
	}
	return "", &refusal{
		problem: "this muster cannot run in a container of the engine, which wants a static program for linux/" + arch,
		hint: fmt.Sprintf("put one at %s: `CGO_ENABLED=0 GOOS=linux GOARCH=%s go build -o muster-linux-%s ./cmd/muster` in a checkout of the same version",
			beside, arch, arch),
	}
}

// isStatic says whether a program runs where nothing else is; false where it is no Linux program.
func isStatic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}
