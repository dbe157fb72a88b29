package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// project is that of all cases. Two benches at a time disturb each other's figures, but not each other's containers.
var project = cmp.Or(os.Getenv(leastProject), fmt.Sprintf("musterbench%d", os.Getpid()))

func (b *bench) file() string { return filepath.Join(b.folder, "compose.yaml") }

// command runs a tool on the Compose file, from the start of the process to its end.
func (b *bench) command(ctx context.Context, program string, args []string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), "COMPOSE_PROJECT_NAME="+project, leastProject+"="+project, "XDG_STATE_HOME="+b.folder, "XDG_CACHE_HOME="+b.folder)
	cmd.Env = append(cmd.Env, b.environ...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	from := time.Now()
	err := cmd.Run()
	took := time.Since(from)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, said.String())
	}
	return took, nil
}

// up brings the stack up before a case that begins with one. It is brought up by the tool that is measured, or by muster.
func up(ctx context.Context, b *bench, t tool) error {
	program := b.muster
	if t == compose {
		program = b.compose
	}
	_, err := b.command(ctx, program, words("up -d"))
	return err
}
