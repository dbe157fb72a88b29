package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end once it was told to. It is interrupted then, and killed later.
const stopPatience = 10 * time.Second

// environ is what programs run in.
func (e *Engine) environ() []string {
	if e.o.Environ != nil {
		return e.o.Environ
	}
	return os.Environ()
}

func (e *Engine) variable(name string) string {
	value := ""
	for _, entry := range e.environ() {
		if k, v, _ := strings.Cut(entry, "="); k == name {
			value = v
		}
	}
	return value
}

// find looks for docker's plugin of that name, and then for a program of that name in PATH where bare says
// so. It answers with an empty path where there is neither.
func (e *Engine) find(name string, bare bool) string {
	names := []string{"docker-" + name}
	folders := e.pluginFolders()
	path := filepath.SplitList(e.variable("PATH"))
	for _, folder := range append(folders, path...) {
		if found := executable(filepath.Join(folder, names[0])); found != "" {
			return found
		}
	}
	if !bare {
		return ""
	}
	for _, folder := range path {
		if found := executable(filepath.Join(folder, name)); found != "" {
			return found
		}
	}
	return ""
}

// pluginFolders are where docker looks for its plugins.
func (e *Engine) pluginFolders() []string {
	config := e.variable("DOCKER_CONFIG")
	if config == "" {
		config = filepath.Join(e.variable("HOME"), ".docker")
	}
	return []string{
		filepath.Join(config, "cli-plugins"),
		"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
		"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
	}
}

// executable is path where it is a program, with the ending that Windows wants.
func executable(path string) string {
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	info, err := os.Stat(path)
	if err != nil || info.IsDir() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		return ""
	}
	return path
}

// run runs a program and hands over each line that it prints. The last lines of its standard error are in the
// error when it fails.
func (e *Engine) run(ctx context.Context, path string, args []string, line func(string) error) error {
	cmd := exec.CommandContext(ctx, path, args...)
	return e.follow(ctx, cmd, line)
}

// converse does the same with a program that may ask; answer writes to its standard input.
func (e *Engine) converse(ctx context.Context, path string, args []string, line func(text string, answer func([]byte) error) error) error {
	cmd := exec.CommandContext(ctx, path, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	answer := func(text []byte) error {
		if _, err := in.Write(text); err != nil && !errors.Is(err, syscall.EPIPE) { // it need not read
			return err
		}
		return nil
	}
	return e.follow(ctx, cmd, func(text string) error { return line(text, answer) })
}

// follow starts a program and stays with it to its end.
func (e *Engine) follow(ctx context.Context, cmd *exec.Cmd, line func(string) error) error {
	cmd.Env, cmd.Dir = e.environ(), e.o.Dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopPatience
	var complaints tail
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var failed error
	reader := bufio.NewReader(out)
	for {
		text, err := reader.ReadString('\n')
		if text = strings.TrimSpace(text); text != "" && failed == nil {
			failed = line(text)
		}
		if err != nil {
			break
		}
	}
	_, _ = io.Copy(io.Discard, out)
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed != nil:
		return failed
	case ended != nil && complaints.text != "":
		return fmt.Errorf("%w: %s", ended, strings.TrimSpace(complaints.text))
	}
	return ended
}

// tail keeps the end of what is written.
type tail struct{ text string }

const tailBytes = 2 << 10

// Write takes all of p.
func (t *tail) Write(p []byte) (int, error) {
	t.text += string(p)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(p), nil
}
