package main

import "golang.org/x/sys/unix"

// How a terminal's mode is read and written.
const getMode, setMode = unix.TCGETS, unix.TCSETS
