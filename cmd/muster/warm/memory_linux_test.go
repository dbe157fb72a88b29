package warm

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The heap's first mapping has huge pages.
func TestHeap(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel has no transparent huge pages")
	}
	if flags := known(t, uintptr(unsafe.Pointer(inHeap)))["VmFlags"]; !strings.Contains(" "+flags+" ", " hg ") {
		t.Errorf("the heap's flags are %q", flags)
	}
}

// All of the program's code is mapped.
func TestProgram(t *testing.T) {
	all := mappings()
	if len(all) == 0 {
		t.Fatal("no mapping is known")
	}
	code := all[0]
	for _, m := range all {
		if m.may == "r-xp" && m.of == code.of {
			code = m
		}
	}
	_, _, errno := syscall.Syscall(syscall.SYS_MADVISE, code.from, uintptr(os.Getpagesize()), populateRead)
	if errno == syscall.EINVAL {
		t.Skip("this kernel cannot be asked for that")
	}
	program(all)
	if of := known(t, code.from); of["Rss"] != of["Size"] {
		t.Errorf("of %s, %s are there", of["Size"], of["Rss"])
	}
}

// known is what the kernel says of the mapping that an address is in: see proc_pid_smaps(5).
func known(t *testing.T, at uintptr) map[string]string {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	of, in := map[string]string{}, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if all := parse(lines.Text() + "\n"); len(all) == 1 {
			in = all[0].holds(at)
		}
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && in {
			of[key] = strings.TrimSpace(value)
		}
	}
	return of
}
