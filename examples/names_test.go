package examples

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// named is a service, and a client that resolves its name.
const named = `
services:
  web:
    image: ${TESTAPP_IMAGE}
    command: [run]
    environment: {NUMBER: "${NUMBER:-0}"}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s}
    deploy: {update_config: {order: start-first}}
  client:
    image: ${TESTAPP_IMAGE}
    command: [load, -duration=10m, -timeout=5s, CLIENT, "http://web:8080/hostname"]
    depends_on: {web: {condition: service_healthy}}`

// BenchmarkNames is how many requests a client that resolves the name itself loses while one container is replaced,
// start-first, at 200 requests a second: with a connection for each request, as clients do that try one address after the other and
// as those do that try only the first, and with connections that are kept.
func BenchmarkNames(b *testing.B) {
	for _, client := range []struct{ name, args string }{
		{"each address", "-keep=false"}, {"first address only", "-first"}, {"kept connections", "-keep"},
	} {
		b.Run(client.name, func(b *testing.B) {
			dir := b.TempDir() // outlives the stack
			s := newStack(b, "names", "UNUSED")
			s.dir = dir
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(strings.ReplaceAll(named, "CLIENT", client.args)), 0o600); err != nil {
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
