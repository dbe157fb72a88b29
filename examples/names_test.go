package examples

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// named is a service in a network with a subnet or without one, and a client that resolves its name for each request.
const named = `
services:
  web:
    image: ${TESTAPP_IMAGE}
    command: [run]
    environment: {NUMBER: "${NUMBER:-0}"}
    networks: [front]
    healthcheck: {test: [CMD, /testapp, health], interval: 1s}
    deploy: {update_config: {order: start-first}}
  client:
    image: ${TESTAPP_IMAGE}
    command: [load, -duration=10m, -timeout=3s, KEEP, "http://web:8080/hostname"]
    networks: [front]
    depends_on: {web: {condition: service_healthy}}
networks:
  front: FRONT
`

// BenchmarkNames is how many requests a client that resolves the name itself loses while one container is replaced,
// start-first, at 200 requests a second: with a connection for each request, and with connections that it keeps.
func BenchmarkNames(b *testing.B) {
	for _, network := range []struct{ name, text string }{
		{"subnet", "{ipam: {config: [{subnet: 10.%d.%d.0/24}]}}"},
		{"default", "{}"},
	} {
		for _, keep := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/keep=%t", network.name, keep), func(b *testing.B) {
				dir := b.TempDir() // outlives the stack
				s := newStack(b, "names", "UNUSED")
				s.dir = dir
				front := network.text
				if strings.Contains(front, "%d") {
					pid := os.Getpid()
					front = fmt.Sprintf(front, 200+pid>>8&31, pid&255)
				}
				text := strings.NewReplacer("FRONT", front, "KEEP", fmt.Sprintf("-keep=%t", keep)).Replace(named)
				if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
				s.muster("up", "-d", "--wait")
				n := 0
				for b.Loop() {
					n++
					s.with(fmt.Sprint("NUMBER=", n)).muster("up", "-d", "--wait", "web")
				}
				s.muster("stop", "client")
				report(b, s.muster("logs", "--no-log-prefix", "client"), n)
			})
		}
	}
}

// report reads what the client counted.
func report(b *testing.B, logs string, replaced int) {
	b.Helper()
	var sum struct {
		Sent, Failed int
		Errors       map[string]int
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(logs)), &sum); err != nil {
		b.Fatalf("%v: %s", err, logs)
	}
	b.Logf("%d containers replaced, %d requests sent, %d failed: %v", replaced, sum.Sent, sum.Failed, sum.Errors)
	b.ReportMetric(float64(sum.Failed)/float64(replaced), "lost/replaced")
}
