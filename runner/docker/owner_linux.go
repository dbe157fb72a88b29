package docker

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is the state of a listening TCP socket in /proc/net, and of a bound UDP one.
const (
	listening = "0A"
	bound     = "07"
)

// portOwner names the process of this machine that has a port, as "nginx (pid 312)". Processes
// of other users can be named only by root; then it is empty.
func portOwner(port, protocol string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	for _, family := range []string{"", "6"} {
		if inode := socketInode("/proc/net/"+protocol+family, n, protocol); inode != "" {
			if owner := socketOwner(inode); owner != "" {
				return owner
			}
		}
	}
	return ""
}

// socketInode finds the socket that has the port.
func socketInode(table string, port int, protocol string) string {
	file, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer file.Close()
	state := listening
	if protocol == "udp" {
		state = bound
	}
	suffix := fmt.Sprintf(":%04X", port)
	for rows := bufio.NewScanner(file); rows.Scan(); {
		fields := strings.Fields(rows.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == state {
			return fields[9]
		}
	}
	return ""
}

// socketOwner finds the process that has the socket open.
func socketOwner(inode string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(name)) + " (pid " + pid + ")"
	}
	return ""
}
