package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/musterhq/muster/runner/docker/buildkit"
	"github.com/musterhq/muster/runner/docker/buildx"
)

// builderTLS reads the keys that a builder was created with; nil where it was without.
func builderTLS(o map[string]string, host string) (*tls.Config, error) {
	ca, cert, key, name := o["cacert"], o["cert"], o["key"], o["servername"]
	if ca == "" && cert == "" && key == "" && name == "" {
		return nil, nil
	}
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
	if name != "" {
		conf.ServerName = name
	}
	if ca == "" || (cert == "") != (key == "") {
		return nil, errors.New("it has TLS, and not all of its keys: cacert, and cert together with key")
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("cacert " + ca + " has no certificate")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// secured shakes hands at once, so that what is wrong with a certificate is known as such.
func secured(ctx context.Context, conn net.Conn, conf *tls.Config) (net.Conn, error) {
	over := tls.Client(conn, conf)
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return over, nil
}

// explainBuilder says what to do about a builder that does not answer.
func explainBuilder(err *buildkit.UnreachedError, b buildx.Builder, node buildx.Node) error {
	const instead = ", or have the engine build: BUILDX_BUILDER=default"
	where := node.Endpoint
	if b.Driver == buildx.DriverContainer {
		where = "container buildx_buildkit_" + node.Name
	}
	reason, hint := builderReason(err.Cause, b)
	return &refusal{problem: fmt.Sprintf("builder %s (%s) does not answer: %s", b.Name, where, reason), hint: hint + instead, cause: err}
}

func builderReason(err error, b buildx.Builder) (reason, hint string) {
	const look = "look at the address with `docker buildx inspect "
	var unknown *net.DNSError
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case gone(err):
		return "it is not there", "make it with `docker buildx inspect --bootstrap " + b.Name + "`"
	case errors.Is(err, os.ErrNotExist):
		return innermost(err) + " (" + pathOf(err) + ")", "start BuildKit there, or correct the path with `docker buildx create`"
	case errors.Is(err, os.ErrPermission):
		return "permission denied", "let your user use the socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", "start BuildKit there"
	case errors.As(err, &unknown):
		return fmt.Sprintf("unknown host %q", unknown.Name), look + b.Name + "`"
	case untrusted(err):
		return "its certificate is not trusted: " + innermost(err), "create it anew with the right --driver-opt cacert=… (and servername=…)"
	case errors.As(err, &record), strings.Contains(text, "error reading server preface"), strings.Contains(text, "malformed HTTP response"):
		return "one side speaks TLS and the other does not", "create it anew with --driver-opt cacert=…,cert=…,key=…, or without them"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate authority"):
		return "it does not accept our certificate", "create it anew with --driver-opt cert=…,key=… that its CA has signed"
	case os.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return "it took too long", "look at the network between"
	}
	return innermost(err), "`docker buildx inspect " + b.Name + "` looks further"
}

// pathOf is the file that an error is about.
func pathOf(err error) string {
	var file *os.PathError
	var op *net.OpError
	switch {
	case errors.As(err, &file):
		return file.Path
	case errors.As(err, &op) && op.Addr != nil:
		return op.Addr.String()
	}
	return "the file"
}
