// Package registry runs a real registry inside of a test: docker's own, with its storage in memory.
package registry

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"

	// What the configuration names.
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

// User and Password are the login of a registry that wants one.
const (
	User     = "gopher"
	Password = "open sesame"
)

// Options says what kind of registry it is.
type Options struct {
	// Login refuses everybody but [User].
	Login bool
	// TLS serves HTTPS with a certificate that nobody has signed.
	TLS bool
	// CertFile is where to write that certificate, for clients that want it.
	CertFile string
	// Address is the one of this machine to listen on; empty is 127.0.0.1.
	Address string
	// Front stands before the registry: to count what is asked, to refuse or to stall.
	Front func(http.Handler) http.Handler
}

// Start serves a registry of this machine until the test ends, and gives its host with the port. Engines of this machine use it
// without further settings, as it is on 127.0.0.1.
func Start(t testing.TB, o Options) string {
	t.Helper()
	logrus.SetOutput(io.Discard) // it logs each request to the global logger
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}, "delete": configuration.Parameters{"enabled": true}}}
	config.HTTP.Secret = "a test's"
	config.Catalog.MaxEntries = 100
	if o.Login {
		file := filepath.Join(t.TempDir(), "htpasswd")
		hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
		if err == nil {
			err = os.WriteFile(file, fmt.Appendf(nil, "%s:%s\n", User, hash), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "tests", "path": file}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var serves http.Handler = handlers.NewApp(ctx, config)
	if o.Front != nil {
		serves = o.Front(serves)
	}
	server := httptest.NewUnstartedServer(serves)
	if o.Address != "" {
		listener, err := net.Listen("tcp", net.JoinHostPort(o.Address, "0"))
		if err != nil {
			t.Fatal(err)
		}
		_ = server.Listener.Close()
		server.Listener = listener
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust the certificate is no news
	if o.TLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	if o.CertFile != "" {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(o.CertFile, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, host, _ := strings.Cut(server.URL, "://")
	return host
}
