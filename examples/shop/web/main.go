// Command web is the shop's web app: it shows orders, takes new ones into
// PostgreSQL and counts them in Redis.
//
//	web            serve until SIGTERM, then finish what is being answered
//	web migrate    bring the database's tables up to date and exit
//	web health     exit 0 when the server in this container is healthy, else 1
//
// It is one static binary, so that its image needs neither a shell nor curl,
// not even for the health check.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Shutdown waits this long for answers that are being written. The engine
// kills after stop_grace_period (10 s where nothing else is said), so it is
// less than that.
const patience = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "web: %v\n", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	switch strings.Join(args, " ") {
	case "":
		return serve(ctx)
	case "migrate":
		return migrateCommand(ctx)
	case "health":
		return health(ctx, listenAddress())
	default:
		return fmt.Errorf("unknown command %q: write migrate, health, or nothing to serve", strings.Join(args, " "))
	}
}

func serve(ctx context.Context) error {
	log, err := newLogger(os.Stdout, os.Getenv("LOG_LEVEL"))
	if err != nil {
		return err
	}
	shop, err := open(ctx)
	if err != nil {
		return err
	}
	defer shop.Close()
	listener, err := net.Listen("tcp", listenAddress())
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newHandler(shop, log),
		ReadHeaderTimeout: 5 * time.Second,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "version", version())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping")
	last, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func migrateCommand(ctx context.Context) error {
	shop, err := open(ctx)
	if err != nil {
		return err
	}
	defer shop.Close()
	return shop.migrate(ctx, os.Stdout)
}

// health asks the server of this container and gives its own words as the
// error, so that they appear as the output of the health check.
func health(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	return errors.New(response.Status + ": " + strings.TrimSpace(string(body)))
}

// version is that of the image.
func version() string { return setting("VERSION", "dev") }

func listenAddress() string { return setting("LISTEN", ":8080") }

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func newLogger(out io.Writer, level string) (*slog.Logger, error) {
	var at slog.Level
	if level != "" {
		if err := at.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("LOG_LEVEL %q: write debug, info, warn or error", level)
		}
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: at})), nil
}
