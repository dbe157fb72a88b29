// Command agent tells what it can touch and says back what it is told, until its input ends; or it is
// the part of muster that fills volumes.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/musterhq/muster/snapshot/agent"
)

// version makes programs differ.
var version string

func main() {
	if len(os.Args) > 1 && os.Args[1] == "name" {
		name, _ := os.Hostname() // the start of the container's ID
		fmt.Println(name + version)
		_, _ = io.Copy(os.Stdout, os.Stdin)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == agent.Command {
		if err := agent.Run(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "CapEff:") {
			fmt.Print(line)
		}
	}
	links, _ := net.Interfaces()
	fmt.Println("interfaces:", len(links))
	fmt.Println("root is read-only:", errors.Is(os.WriteFile("/here", nil, 0o600), syscall.EROFS))
	for _, path := range os.Args[1:] {
		fmt.Println(path+" is written:", os.WriteFile(path, []byte("by an agent"), 0o600) == nil)
	}
	_, _ = io.Copy(os.Stdout, os.Stdin)
	os.Exit(7)
}
