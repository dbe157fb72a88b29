//go:build !linux

package warm

// Heap does nothing here.
func Heap() {}
