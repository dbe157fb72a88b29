package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// signals are the names of those that an engine on Linux sends, without SIG; real-time ones are told by their distance from RTMIN or RTMAX.
func signals() []string {
	return []string{
		"ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP",
		"SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
	}
}

// CheckSignal says why no engine knows a signal by that name or number, and what to write. Both are empty where engines do.
func CheckSignal(text string) (problem, hint string) {
	if n, err := strconv.Atoi(text); err == nil && isSignalNumber(n) {
		return "", ""
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if isSignalName(name) {
		return "", ""
	}
	hint = "write SIGTERM, SIGQUIT, … or a number"
	if near := Nearest(name, signals()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", "SIG"+near)
	}
	return quote(text) + " is not a signal", hint
}

func isSignalNumber(n int) bool {
	const lastPlain, firstRealTime, lastRealTime = 31, 34, 64
	return n >= 1 && n <= lastPlain || n >= firstRealTime && n <= lastRealTime
}

func isSignalName(name string) bool {
	const aboveMin, belowMax = 15, 14
	for start, farthest := range map[string]int{"RTMIN+": aboveMin, "RTMAX-": belowMax} {
		if distance, ok := strings.CutPrefix(name, start); ok {
			n, err := strconv.Atoi(distance)
			return err == nil && n >= 1 && n <= farthest && strconv.Itoa(n) == distance
		}
	}
	return slices.Contains(signals(), name)
}
