package warm

import (
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// See madvise(2).
const (
	hugePage     = 14 // MADV_HUGEPAGE
	populateRead = 22 // MADV_POPULATE_READ, since Linux 5.14
)

const (
	light   = 16 << 20 // of the heap, what a light command may come to
	maxText = 4096     // of /proc/self/maps: the program's own mappings and its heap are the first
)

// inHeap is allocated, so that its address is one of the heap, which goes from heap on.
var (
	inHeap = new([64]byte)
	heap   uintptr
)

func init() {
	all := mappings()
	at := uintptr(unsafe.Pointer(inHeap))
	for _, m := range all {
		if m.holds(at) {
			heap = m.from
		}
	}
	Heap()
	go program(all)
}

// Heap lets what there is of the heap, and is not in use yet, come in huge pages. Go maps it by 4 MB, and the kernel cannot be told of what is not mapped
// yet; so this is called again when there is likely to be more of it.
func Heap() {
	if heap != 0 {
		advise(heap, light, hugePage)
	}
}

// program maps the program's file: its code and its constants. Nothing waits for it.
func program(all []mapping) {
	for _, m := range all {
		if m.of == all[0].of && strings.HasPrefix(m.may, "r-") {
			advise(m.from, m.end-m.from, populateRead)
		}
	}
}

// mappings are the first ones of this process, in the order of their addresses; none where that cannot be known.
func mappings() []mapping {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	text := make([]byte, maxText)
	n, err := f.Read(text)
	if err != nil {
		return nil
	}
	return parse(string(text[:n]))
}

// advise tells the kernel; what it does not know it refuses, and nothing has changed.
func advise(from, size, what uintptr) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_MADVISE, from, size, what)
}
