//go:build linux || darwin

package ask

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// size is that of a terminal, in cells; of another device its kind.
func size(f *os.File) string {
	var cells struct{ rows, columns, x, y uint16 }
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&cells)))
	if failed != 0 {
		return "device"
	}
	return "terminal " + strconv.Itoa(int(cells.rows)) + " " + strconv.Itoa(int(cells.columns))
}
