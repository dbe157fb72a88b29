package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// watchCase is from the moment when files are saved to that when a container has them all. The container has its folder from
// this machine, so that their arrival is seen at once and by asking nobody.
func watchCase(files, size int) benchCase {
	return benchCase{
		name: fmt.Sprintf("sync %d", files), n: 1,
		what: "have the engine unpack an archive of the files",
		prepare: func(ctx context.Context, b *bench, t tool) error {
			for _, dir := range []string{"src", "out"} {
				if err := os.RemoveAll(filepath.Join(b.folder, dir)); err != nil {
					return err
				}
				if err := os.Mkdir(filepath.Join(b.folder, dir), 0o755); err != nil {
					return err
				}
			}
			return up(ctx, b, t)
		},
		files: func(b *bench, _ tool) string {
			return fmt.Sprintf("services:\n  s000:\n    image: %s\n    command: [run]\n    volumes: [./out:/app]\n"+
				"    develop: {watch: [{path: src, action: sync, target: /app}]}\n", b.image)
		},
		session: func(ctx context.Context, b *bench, program string) (time.Duration, error) {
			return b.watch(ctx, program, files, size)
		},
		floor: func(ctx context.Context, b *bench) (time.Duration, error) {
			from := time.Now()
			if err := b.engine.unpack(ctx, serviceNames(1)[0], "/", files, size); err != nil {
				return 0, err
			}
			return b.arrived(from, files, size)
		},
	}
}

// fileName is the name of file i of a case.
func fileName(i int) string { return fmt.Sprintf("f%04d", i) }

// watch has a program watch, saves files and waits for them.
func (b *bench) watch(ctx context.Context, program string, files, size int) (took time.Duration, err error) {
	cmd := exec.CommandContext(ctx, program, "watch", "--no-up")
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), "COMPOSE_PROJECT_NAME="+project, "XDG_STATE_HOME="+b.folder, "XDG_RUNTIME_DIR="+b.folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(out)
	var said strings.Builder
	for lines.Scan() && !strings.Contains(lines.Text(), "Watch enabled") {
		said.WriteString(lines.Text() + "\n")
	}
	go func() {
		for lines.Scan() { // it must not be held up by what it says
		}
	}()
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // interrupted, it never ends well
	}()
	text := bytes.Repeat([]byte("x"), size)
	from := time.Now()
	for i := range files {
		if err := os.WriteFile(filepath.Join(b.folder, "src", fileName(i)), text, 0o600); err != nil {
			return 0, err
		}
	}
	if took, err = b.arrived(from, files, size); err != nil {
		err = fmt.Errorf("%w\n%s", err, said.String())
	}
	return took, err
}

// arrived waits until the container has all files.
func (b *bench) arrived(from time.Time, files, size int) (time.Duration, error) {
	const patience, pause = time.Minute, time.Millisecond / 2
	for i := range files {
		for {
			info, err := os.Stat(filepath.Join(b.folder, "out", fileName(i)))
			if err == nil && info.Size() == int64(size) {
				break
			}
			if time.Since(from) > patience {
				return 0, fmt.Errorf("file %d has not arrived within %s", i, patience)
			}
			time.Sleep(pause)
		}
	}
	return time.Since(from), nil
}

// unpack is the raw call for a sync.
func (a *api) unpack(ctx context.Context, name, root string, files, size int) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for i := range files {
		if err := w.WriteHeader(&tar.Header{Name: "app/" + fileName(i), Mode: 0o600, Size: int64(size)}); err != nil {
			return err
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://engine/containers/"+name+"/archive?path="+root, &archive)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("unpack in %s: %s", name, resp.Status)
	}
	return nil
}
