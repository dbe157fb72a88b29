// Testapp is the one program in the images that muster is tested with: FROM scratch, static, and able to misbehave in
// each way that an orchestrator must cope with. What it does is put together from flags, so that a test reads as what
// it is about:
//
//	command: [run, -healthy-after=300ms, -ignore-term]
//	healthcheck: {test: [CMD, /testapp, health], interval: 1s}
//
// It is PID 1 in its container, where a signal without a handler does nothing; so it handles SIGTERM itself, and ends
// at once unless told otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
)

const usage = `testapp [COMMAND] [FLAGS] [ARGUMENTS]

  run                 serve HTTP and behave as the flags say, until stopped (the default)
  health              exit 0 if the run in this container is healthy, else 1: a healthcheck without a shell
  print               print lines, then exit
  fetch URL...        get each URL and print the bodies
  load URL            get a URL again and again at an even pace and print as JSON what became of it
  resolve NAME...     print the addresses of each name, sorted, a line each
  cat FILE...         print files
  env [NAME...]       print variables, all of them as NAME=VALUE or the values of those named
  exit CODE           exit with this code at once

'testapp COMMAND -h' lists a command's flags. Each flag of run is also a variable: -healthy-after is
TESTAPP_HEALTHY_AFTER. A flag wins over its variable.
`

// exitError ends the program with a code of its own, and without a message.
type exitError int

func (e exitError) Error() string { return "exit status " + strconv.Itoa(int(e)) }

func main() {
	err := dispatch(os.Args[1:], os.Stdout, os.Stderr)
	var code exitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(1)
	}
}

func dispatch(args []string, stdout, stderr io.Writer) error {
	command := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "run":
		return run(args, stdout, stderr)
	case "health":
		return health(args, stdout)
	case "print":
		return printCommand(args, stdout, stderr)
	case "fetch":
		return fetchCommand(args, stdout, stderr)
	case "load":
		return loadCommand(args, stdout, stderr)
	case "resolve":
		return resolveCommand(args, stdout)
	case "cat":
		return cat(args, stdout)
	case "env":
		return printEnv(args, stdout)
	case "exit":
		return exit(args)
	case "help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	_, _ = io.WriteString(stderr, usage)
	return fmt.Errorf("no such command: %q", command)
}

// flags returns a flag set whose help shows usage as well.
func flags(name string, stderr io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		_, _ = io.WriteString(stderr, usage+"\nFlags of "+name+":\n")
		set.PrintDefaults()
	}
	return set
}

// parse takes flags from the command line, and from the environment those that are not there.
func parse(set *flag.FlagSet, args []string, lookup func(string) (string, bool)) error {
	if err := set.Parse(args); err != nil {
		return err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var wrong error
	set.VisitAll(func(f *flag.Flag) {
		variable := "TESTAPP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := lookup(variable)
		if !ok || given[f.Name] {
			return
		}
		if err := set.Set(f.Name, value); err != nil {
			wrong = fmt.Errorf("%s=%q: %w", variable, value, err)
		}
	})
	return wrong
}

func cat(files []string, stdout io.Writer) error {
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := stdout.Write(content); err != nil {
			return err
		}
	}
	return nil
}

func printEnv(names []string, stdout io.Writer) error {
	lines := make([]string, 0, len(names))
	for _, name := range names {
		value, ok := os.LookupEnv(name)
		if !ok {
			return fmt.Errorf("%s is not set", name)
		}
		lines = append(lines, value)
	}
	if len(names) == 0 {
		lines = os.Environ()
		sort.Strings(lines)
	}
	_, err := fmt.Fprintln(stdout, strings.Join(lines, "\n"))
	return err
}

func exit(args []string) error {
	if len(args) != 1 {
		return errors.New("exit wants one code")
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return exitError(code)
}
