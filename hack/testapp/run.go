package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// behaviour is all that a run does, well or badly.
type behaviour struct {
	http           string
	printed        lines
	healthyAfter   time.Duration
	unhealthyAfter time.Duration
	listenAfter    time.Duration
	exitAfter      time.Duration
	exit           int
	ignoreTerm     bool
	termDelay      time.Duration
	termExit       int
}

// never is far enough away that no test sees it.
const never = 365 * 24 * time.Hour

func readBehaviour(args []string, stderr io.Writer, lookup func(string) (string, bool)) (behaviour, error) {
	var b behaviour
	set := flags("run", stderr)
	set.StringVar(&b.http, "http", ":8080", "serve HTTP on this `address`; empty: do not")
	set.DurationVar(&b.healthyAfter, "healthy-after", 0, "be unhealthy for so long after opening the port")
	set.DurationVar(&b.unhealthyAfter, "unhealthy-after", never, "be unhealthy again so long after opening the port")
	set.DurationVar(&b.listenAfter, "listen-after", 0, "wait so long before opening the port")
	set.DurationVar(&b.exitAfter, "exit-after", never, "exit by itself after so long; 0: at once")
	set.IntVar(&b.exit, "exit", 0, "`code` for -exit-after")
	set.BoolVar(&b.ignoreTerm, "ignore-term", false, "do nothing on SIGTERM and SIGINT")
	set.DurationVar(&b.termDelay, "term-delay", 0, "take so long to stop after SIGTERM")
	set.IntVar(&b.termExit, "term-exit", 0, "`code` after SIGTERM")
	b.printed.define(set, 0)
	err := parse(set, args, lookup)
	return b, err
}

func run(args []string, stdout, stderr io.Writer) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)

	b, err := readBehaviour(args, stderr, os.LookupEnv)
	if err != nil {
		return err
	}
	if b.exitAfter == 0 {
		return exitWith(b.exit)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 2)
	exits := make(chan int, 1)
	go func() {
		if err := b.printed.print(ctx, stdout, stderr); err != nil {
			failed <- err
		}
	}()
	if b.http != "" {
		go func() { failed <- b.serve(exits) }()
	}
	ended := time.After(b.exitAfter)
	for {
		select {
		case err := <-failed:
			return err
		case <-ended:
			return exitWith(b.exit)
		case code := <-exits:
			return exitWith(code)
		case s := <-signals:
			_, _ = fmt.Fprintln(stderr, "got", signalName(s))
			if s == syscall.SIGHUP || s == syscall.SIGUSR1 || b.ignoreTerm {
				continue
			}
			time.Sleep(b.termDelay)
			return exitWith(b.termExit)
		}
	}
}

func signalName(s os.Signal) string {
	names := map[os.Signal]string{
		syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT",
		syscall.SIGHUP: "SIGHUP", syscall.SIGUSR1: "SIGUSR1",
	}
	return names[s]
}

// untilTerminated is for commands that end by themselves: PID 1 must also handle the signals that it does not care about.
func untilTerminated() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}

func (b behaviour) serve(exits chan<- int) error {
	time.Sleep(b.listenAfter)
	server := http.Server{Addr: b.http, Handler: newHandler(b, exits), ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// health asks the run in the same container. The port comes from the variable, which a healthcheck shares with its
// container, while it cannot know the other's flags; -http is there for those.
func health(args []string, stdout io.Writer) error {
	set := flags("health", stdout)
	address := set.String("http", ":8080", "the `address` that the run serves on")
	if err := parse(set, args, os.LookupEnv); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(*address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	body, err := get(ctx, "http://127.0.0.1:"+port+"/health")
	_, _ = fmt.Fprintln(stdout, strings.TrimSpace(body))
	return err
}
