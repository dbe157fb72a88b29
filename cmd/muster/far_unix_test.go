//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/musterhq/muster/internal/enginetest"
)

// TestFarEngine does a day's work on an engine that is reached as one on another machine is: by tcp, with TLS, by ssh, named
// by address and by docker's contexts. Who comes by ssh has no
// network in common with it.
func TestFarEngine(t *testing.T) {
	t.Parallel()
	socket, isSocket := strings.CutPrefix(testEngine(t), "unix://")
	if !isSocket {
		t.Skip("MUSTER_TEST_ENGINE is no socket to reach")
	}
	podman, err := speaks(t, "unix://"+socket, "podman")
	if err != nil {
		t.Fatal(err)
	}
	for name, reach := range map[string]func(*testing.T, string) reached{
		"tcp":         byTCP,
		"tls":         byTLS,
		"tls context": byTLSContext,
		"ssh":         bySSH,
		"ssh context": bySSHContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(name, " context") {
				enginetest.SameOnAny(t, "the way without a context")
			}
			far := reach(t, socket)
			testscript.Run(t, testscript.Params{
				Files:               far.scripts,
				RequireExplicitExec: true,
				// Whether the containers' network is known to be on this machine: Podman does not tell its bridge's name.
				Condition: func(word string) (bool, error) {
					if word != "near" {
						return false, fmt.Errorf("unknown condition %q", word)
					}
					return !far.apart && !podman, nil
				},
				Setup: func(env *testscript.Env) error { return far.setUp(env, "unix://"+socket) },
			})
		})
	}
}

// What is done on a far engine: all of a day's work, and the least that shows that it is the right one.
const (
	dayScript   = "testdata/far/day.txtar"
	shortScript = "testdata/far/short.txtar"
)

// relayedScript is what is done where the far end is a relay of the test's own: the engine, which is asked by its socket then,
// takes no part in how it is reached. With -short the whole day is done by ssh only, whose far end is a docker command.
func relayedScript() string {
	if testing.Short() {
		return shortScript
	}
	return dayScript
}

// reached is how a script comes to an engine.
type reached struct {
	environ map[string]string
	path    string // a folder of programs to find before others
	apart   bool   // muster runs in a network of its own
	scripts []string
}

func (far reached) setUp(env *testscript.Env, host string) error {
	project := fmt.Sprintf("muster-far-%s-%d", filepath.Base(env.WorkDir), time.Now().UnixNano()%1e9)
	for _, name := range []string{"TESTAPP_IMAGE", "BUSYBOX_IMAGE", raceOptions} {
		env.Setenv(name, os.Getenv(name))
	}
	env.Setenv("COMPOSE_PROJECT_NAME", project)
	env.Setenv("PROJECT", project)
	env.Setenv("HOME", env.WorkDir)
	for name, value := range far.environ {
		env.Setenv(name, value)
	}
	if far.path != "" {
		env.Setenv("PATH", far.path+":"+env.Getenv("PATH"))
	}
	env.Defer(func() { removeProject(host, project) })
	return nil
}

func byTCP(t *testing.T, socket string) reached {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forward(t, listener, socket)
	return reached{environ: map[string]string{"DOCKER_HOST": "tcp://" + listener.Addr().String()}, scripts: []string{relayedScript()}}
}

func byTLS(t *testing.T, socket string) reached {
	address, keys := serveTLS(t, socket)
	variables := map[string]string{"DOCKER_HOST": address, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": keys}
	return reached{environ: variables, scripts: []string{relayedScript()}}
}

func byTLSContext(t *testing.T, socket string) reached {
	address, keys := serveTLS(t, socket)
	variables := map[string]string{"DOCKER_CONFIG": contextOf(t, "far", address, keys), "DOCKER_CONTEXT": "far"}
	return reached{environ: variables, scripts: []string{shortScript}}
}

func bySSH(t *testing.T, socket string) reached {
	far := serveSSH(t, socket)
	far.environ["DOCKER_HOST"] = "ssh://far.example.com"
	far.scripts = []string{dayScript, "testdata/far/refused.txtar"}
	return far
}

func bySSHContext(t *testing.T, socket string) reached {
	far := serveSSH(t, socket)
	far.environ["DOCKER_CONFIG"] = contextOf(t, "", "ssh://far.example.com", "")
	far.scripts = []string{shortScript}
	return far
}

// contextOf is docker's configuration with one context, which is the current one unless it has a name.
func contextOf(t *testing.T, name, address, keys string) string {
	t.Helper()
	dir, config := t.TempDir(), "{}"
	if name == "" {
		name, config = "current", `{"currentContext": "current"}`
	}
	text, err := json.Marshal(map[string]any{"Name": name, "Metadata": map[string]any{},
		"Endpoints": map[string]any{"docker": map[string]any{"Host": address, "SkipTLSVerify": false}}})
	if err != nil {
		t.Fatal(err)
	}
	// Docker's folder for a context is the digest of its name.
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	putFile(t, filepath.Join(dir, "config.json"), config)
	putFile(t, filepath.Join(dir, "contexts/meta", id, "meta.json"), string(text))
	if keys == "" {
		return dir
	}
	for _, key := range []string{"ca.pem", "cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(keys, key))
		if err != nil {
			t.Fatal(err)
		}
		putFile(t, filepath.Join(dir, "contexts/tls", id, "docker", key), string(text))
	}
	return dir
}

func putFile(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// forward joins each connection to one to the socket, until the test ends.
func forward(t *testing.T, listener net.Listener, socket string) {
	var all sync.WaitGroup
	ended := make(chan struct{})
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { join(conn, socket, ended) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(ended)
		all.Wait()
	})
}

// join copies both ways. One side may close its half and go on reading, as `exec` does with the end of its input.
func join(conn net.Conn, socket string, ended <-chan struct{}) {
	defer conn.Close()
	engine, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer engine.Close()
	both := make(chan struct{})
	go func() {
		select {
		case <-ended:
			_, _ = conn.Close(), engine.Close()
		case <-both:
		}
	}()
	defer close(both)
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{conn, engine}, {engine, conn}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].(interface{ CloseWrite() error }).CloseWrite()
		})
	}
	ways.Wait()
}

// serveTLS puts TLS before the engine, which asks for keys of a client. The answers are its address and a folder with such keys.
func serveTLS(t *testing.T, socket string) (address, keys string) {
	t.Helper()
	keys = t.TempDir()
	ca := newAuthority(t)
	ca.sign(t, keys, "cert.pem", "key.pem")
	putFile(t, filepath.Join(keys, "ca.pem"), ca.pem)
	served := t.TempDir()
	ca.sign(t, served, "cert.pem", "key.pem")
	own, err := tls.LoadX509KeyPair(filepath.Join(served, "cert.pem"), filepath.Join(served, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	})
	if err != nil {
		t.Fatal(err)
	}
	forward(t, listener, socket)
	return "tcp://" + listener.Addr().String(), keys
}

// authority signs the keys of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pemOf("CERTIFICATE", raw)}
}

func pemOf(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}

// sign writes a certificate and its key, for either end.
func (ca authority) sign(t *testing.T, dir, cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a test's end"}, NotAfter: ca.cert.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &own.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(dir, cert), pemOf("CERTIFICATE", raw))
	putFile(t, filepath.Join(dir, key), pemOf("PRIVATE KEY", secret))
}

// Settings of OpenSSH's two ends: the host far.example.com is an sshd that each connection starts for itself, so that
// neither a port nor a network is needed, with keys of the test's own.
const (
	serverSettings = `HostKey %[1]s/host
AuthorizedKeysFile %[1]s/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
LogLevel QUIET
PermitUserRC no
SetEnv HOME=%[1]s DOCKER_HOST=unix://%[2]s PATH=%[3]s
`
	clientSettings = `Host far.example.com stranger.example.com bare.example.com
  ProxyCommand %[2]s -i -f %[1]s/%%h
  User %[3]s
  IdentityFile %[1]s/key
  IdentitiesOnly yes
  UserKnownHostsFile %[1]s/known
  LogLevel ERROR
Host stranger.example.com
  IdentityFile %[1]s/none
`
)

// serveSSH makes an end to reach by ssh, which has docker and the engine. There are two more that do not do: a stranger does not
// know us, and the bare one has no docker. Muster and ssh run in a network of their own, with nothing in it.
func serveSSH(t *testing.T, socket string) reached {
	t.Helper()
	server, docker := sshd(t), os.Getenv("MUSTER_TEST_DOCKER")
	if docker == "" {
		t.Skip("MUSTER_TEST_DOCKER names no docker command for the far end of ssh; hack/with-engine does")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may give muster a network of its own")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where sshd locks itself up; packages leave it to the start of the system
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, key := range []string{"host", "key"} {
		generate := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
		if out, err := generate.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	host, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(dir, "known"), "*.example.com "+string(host))
	putFile(t, filepath.Join(dir, "far.example.com"), fmt.Sprintf(serverSettings, dir, socket, filepath.Dir(docker)+":/usr/bin:/bin"))
	putFile(t, filepath.Join(dir, "bare.example.com"), fmt.Sprintf(serverSettings, dir, socket, dir))
	putFile(t, filepath.Join(dir, "stranger.example.com"), strings.Replace(fmt.Sprintf(serverSettings, dir, socket, dir), "key.pub", "nobody", 1))
	putFile(t, filepath.Join(dir, "client"), fmt.Sprintf(clientSettings, dir, server, me.Username))
	client := lookFor(t, "ssh")
	muster := lookFor(t, "muster") // put there by testscript.Main
	bin := t.TempDir()
	// The client looks for its settings in the user's own folder, whatever HOME says.
	putProgram(t, filepath.Join(bin, "ssh"), fmt.Sprintf("exec %s -F %s/client \"$@\"", client, dir))
	putProgram(t, filepath.Join(bin, "muster"), fmt.Sprintf("exec unshare --net -- %s \"$@\"", muster))
	return reached{environ: map[string]string{}, path: bin, apart: true}
}

// sshd is the server's program. It wants to be called by its whole path, which is often not among the user's.
func sshd(t *testing.T) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, "sshd")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("there is no sshd; Debian has it in openssh-server")
	return ""
}

func lookFor(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(err)
	}
	return path
}

func putProgram(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}
