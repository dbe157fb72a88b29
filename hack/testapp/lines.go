package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// lines is what gets printed, how much of it and how fast.
type lines struct {
	text   string
	count  int
	every  time.Duration
	size   int
	stderr bool
}

func (l *lines) define(set *flag.FlagSet, count int) {
	set.StringVar(&l.text, "text", "line", "`text` before the number of each line")
	set.IntVar(&l.count, "lines", count, "print so many lines; negative: without end")
	set.DurationVar(&l.every, "every", 0, "pause between lines; 0: as fast as they are taken")
	set.IntVar(&l.size, "size", 0, "fill each line with dots to so many `bytes`, newline included")
	set.BoolVar(&l.stderr, "stderr", false, "print lines on stderr")
}

// print writes "TEXT 1", "TEXT 2" and so on, until all are out, ctx ends or nobody reads any more.
func (l *lines) print(ctx context.Context, stdout, stderr io.Writer) error {
	out := stdout
	if l.stderr {
		out = stderr
	}
	for n := 1; l.count < 0 || n <= l.count; n++ {
		if n > 1 && l.every > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(l.every):
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		line := fmt.Sprintf("%s %d", l.text, n)
		if missing := l.size - len(line) - 1; missing > 0 {
			line += strings.Repeat(".", missing)
		}
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func printCommand(args []string, stdout, stderr io.Writer) error {
	set := flags("print", stderr)
	var what lines
	what.define(set, 1)
	code := set.Int("exit", 0, "exit with this `code`")
	if err := parse(set, args, noEnv); err != nil {
		return err
	}
	ctx, stop := untilTerminated()
	defer stop()
	if err := what.print(ctx, stdout, stderr); err != nil {
		return err
	}
	return exitWith(*code)
}

func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exitError(code)
}
