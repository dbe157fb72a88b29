package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/planner"
)

// guardCommand is the hidden command that puts containers back where muster was killed before it could.
const guardCommand = "fault-guard"

// faultGuard is a second process that knows what has to be put back, and does so when this one ends first: its input ends then, however that
// comes. It is in a session of its own, so that what a terminal or a shell sends to this one does not end it as well.
type faultGuard struct {
	*program
	cmd *exec.Cmd
	in  io.WriteCloser
}

// keep tells it how containers were; the process is started with the first that are.
func (g *faultGuard) keep(before []planner.Container) error {
	if g.cmd == nil {
		if len(before) == 0 {
			return nil
		}
		if err := g.start(); err != nil {
			return fmt.Errorf("start the process that takes faults back where this one is killed: %w", err)
		}
	}
	return json.NewEncoder(g.in).Encode(before)
}

func (g *faultGuard) start() (err error) {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	var args []string
	if at := g.globals.at; at.host != "" {
		args = append(args, "--host", at.host)
	} else if at.context != "" {
		args = append(args, "--context", at.context)
	}
	cmd := exec.Command(own, append(args, guardCommand)...)
	cmd.Args[0] = "muster"
	cmd.Env, cmd.Stderr, cmd.SysProcAttr = g.environ, g.err, ownSession()
	if g.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	g.cmd = cmd
	return nil
}

// end ends it; what still stands it puts back then.
func (g *faultGuard) end() {
	if g.cmd != nil {
		_ = g.in.Close()
		_ = g.cmd.Wait() // it has said itself what went wrong
	}
}

func (p *program) faultGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use: guardCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var standing []planner.Container
			in := bufio.NewReader(p.in)
			for {
				line, err := in.ReadBytes('\n')
				if err != nil {
					break // the end, or half a line of one that was killed while it wrote
				}
				var now []planner.Container
				if err := json.Unmarshal(line, &now); err != nil {
					return err
				}
				standing = now
			}
			return p.putBack(cmd.Context(), standing)
		},
	}
}

// putBack puts containers back for one who has ended.
func (p *program) putBack(ctx context.Context, standing []planner.Container) error {
	if len(standing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	var failed error
	for _, c := range standing {
		did, err := fault.PutBack(ctx, on, c)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("put %s back: %w", c.Name, err))
			continue
		}
		fmt.Fprintf(p.err, "%s %s: muster ended before it was taken back\n", c.Name, did)
	}
	return failed
}
