package docker

// diskSpace would tell the space on a disk; a Windows engine's disk is in a virtual machine.
func diskSpace(string) (free, size uint64) { return 0, 0 }
