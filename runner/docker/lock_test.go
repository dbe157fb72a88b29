package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/lock"
)

// holdUntilKilled is the test's program as somebody who has a lock.
func holdUntilKilled() {
	e, err := Open(Options{Host: os.Getenv("MUSTER_TEST_ENGINE"), ConfigDir: os.TempDir()})
	if err == nil {
		_, err = e.Hold(context.Background(), os.Getenv("LOCK_TEST_HOLD"), os.Getenv("LOCK_TEST_HOME"),
			lock.Holder{By: "ann@far", PID: 7, Command: "muster up", Since: time.Now()}, refuse)
	}
	fmt.Println(err)
	select {}
}

// errHeld is what refuse answers.
type errHeld struct{ lock.Holder }

func (e errHeld) Error() string { return "held by " + e.Holder.String() }

// refuse does not wait.
func refuse(_ context.Context, by lock.Holder) error { return errHeld{by} }

// startHolder is a program that has the lock of the rig's project.
func (r *rig) startHolder(home string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOCK_TEST_HOLD="+r.project, "LOCK_TEST_HOME="+home)
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "<nil>" {
		r.t.Fatalf("the holder says %q, %v", line, err)
	}
	return cmd
}

// withLocks skips where the engine has none.
func withLocks(t *testing.T) *rig {
	r := newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	if !r.buildkit || r.isPodman() {
		t.Skip("this engine has no BuildKit, and so no locks")
	}
	r.t.Cleanup(func() { _ = r.client.VolumeRemove(context.Background(), lockVolume(r.project), true) })
	return r
}

func TestHold(t *testing.T) {
	r := withLocks(t)
	me := lock.Holder{By: "bob@near", PID: 8, Command: "muster down", Since: time.Now()}
	release, err := r.Hold(r.ctx, r.project, "", me, refuse)
	if err != nil {
		t.Fatal(err)
	}
	var held errHeld
	if _, err := r.Hold(r.ctx, r.project, "", lock.Holder{By: "eve@far"}, refuse); !errors.As(err, &held) {
		t.Fatalf("two have it at a time: %v", err)
	}
	if held.By != me.By || held.PID != me.PID || held.Command != me.Command || held.Since.IsZero() {
		t.Errorf("it is had by %v", held.Holder)
	}
	other, err := r.Hold(r.ctx, r.project+"x", "", me, refuse)
	if err != nil {
		t.Errorf("another project's is not free: %v", err)
	} else {
		other()
	}

	// Who waits gets it as soon as it is given up, and a cancellation does not keep it from being given up.
	waits := 0
	ctx, cancel := context.WithCancel(r.ctx)
	second, err := r.Hold(ctx, r.project, "", lock.Holder{By: "eve@far"}, func(context.Context, lock.Holder) error {
		if waits++; waits == 2 {
			release()
		}
		return nil
	})
	if err != nil || waits != 2 {
		t.Fatalf("after %d waits: %v", waits, err)
	}
	cancel()
	second()
	third, err := r.Hold(r.ctx, r.project, "", me, refuse)
	if err != nil {
		t.Fatalf("it was not given up: %v", err)
	}
	third()
	if _, err := r.client.VolumeInspect(r.ctx, lockVolume(r.project)); !gone(err) {
		t.Errorf("the volume is left: %v", err)
	}
}

// The lock of who was killed is free at once for who knows it from a lock of the same machine.
func TestHoldKilledHere(t *testing.T) {
	r := withLocks(t)
	holder := r.startHolder("home")
	if _, err := r.Hold(r.ctx, r.project, "elsewhere", lock.Holder{}, refuse); !errors.As(err, new(errHeld)) {
		t.Errorf("two have it at a time: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	release, err := r.Hold(r.ctx, r.project, "home", lock.Holder{}, refuse)
	if err != nil {
		t.Fatalf("it is not free: %v", err)
	}
	release()
}

// Elsewhere it takes until the engine has noticed.
func TestHoldKilledElsewhere(t *testing.T) {
	r := withLocks(t)
	holder := r.startHolder("home")
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	killed := time.Now()
	release, err := r.Hold(r.ctx, r.project, "elsewhere", lock.Holder{}, func(ctx context.Context, by lock.Holder) error {
		if by.By != "ann@far" {
			return errHeld{by}
		}
		timer := time.NewTimer(100 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		t.Fatalf("after %s: %v", time.Since(killed), err)
	}
	release()
	t.Logf("free %s after its holder was killed", time.Since(killed).Round(time.Millisecond))
}

// TestMain is also the program of [holdUntilKilled].
func TestMain(m *testing.M) {
	if os.Getenv("LOCK_TEST_HOLD") != "" {
		holdUntilKilled()
	}
	if os.Getenv("AGENT_TEST_HOLD") != "" {
		holdAgentUntilKilled()
	}
	var err error
	if built, err = os.MkdirTemp("", "muster-built-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// built is a folder for what tests build for one another.
var built string
