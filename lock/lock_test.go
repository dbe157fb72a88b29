package lock_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/lock"
)

// TestMain is also the program that holds a lock until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCK_TEST_HOLD"); dir != "" {
		held, _, err := lock.Folder(dir).Take("shop", lock.Holder{By: "ann@box", PID: os.Getpid()})
		fmt.Println(held != nil, err)
		select {}
	}
	os.Exit(m.Run())
}

func TestTake(t *testing.T) {
	dir := lock.Folder(filepath.Join(t.TempDir(), "new", "locks"))
	ann := lock.Holder{By: "ann@box", PID: 7, Command: "muster up -d", Since: time.Date(2026, 11, 1, 12, 0, 0, 0, time.Local)}
	held, _, err := dir.Take("shop", ann)
	if err != nil || held == nil {
		t.Fatalf("a free lock is not to be had: %v", err)
	}
	second, holder, err := dir.Take("shop", lock.Holder{By: "bob@box"})
	if err != nil || second != nil {
		t.Fatalf("two have it at a time (%v)", err)
	}
	if got, want := holder.String(), "ann@box, process 7, `muster up -d`, since 12:00:00"; got != want {
		t.Errorf("it is had by %q, want %q", got, want)
	}
	if !dir.Held("shop") || dir.Held("mail") {
		t.Errorf("shop is held: %v, mail is held: %v", dir.Held("shop"), dir.Held("mail"))
	}
	other, _, err := dir.Take("../blog", lock.Holder{})
	if err != nil || other == nil {
		t.Errorf("another project's is not free: %v", err)
	} else {
		other.Release()
	}
	held.Release()
	if dir.Held("shop") {
		t.Error("it counts as held after its release")
	}
	again, _, err := dir.Take("shop", lock.Holder{})
	if err != nil || again == nil {
		t.Fatalf("it is not free again: %v", err)
	}
	again.Release()
	left, err := filepath.Glob(filepath.Join(string(dir), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if !strings.HasSuffix(file, ".lock") {
			t.Errorf("%s is left behind", file)
		}
	}
}

// Whoever is killed gives its lock up.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), "LOCK_TEST_HOLD="+dir)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "true <nil>\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	held, who, err := lock.Folder(dir).Take("shop", lock.Holder{})
	if err != nil || held != nil || who.PID != holder.Process.Pid {
		t.Errorf("it is had by %v (%v)", who, err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	if held, _, err = lock.Folder(dir).Take("shop", lock.Holder{}); err != nil || held == nil {
		t.Fatalf("the lock of who was killed is not free: %v", err)
	}
	held.Release()
}

func TestIdentity(t *testing.T) {
	one, two := lock.Folder(t.TempDir()), lock.Folder(t.TempDir())
	a, err := one.Identity()
	if err != nil || a == "" {
		t.Fatalf("%q, %v", a, err)
	}
	if again, err := one.Identity(); err != nil || again != a {
		t.Errorf("it changes from %q to %q (%v)", a, again, err)
	}
	if b, err := two.Identity(); err != nil || b == a {
		t.Errorf("another folder is the same: %q (%v)", b, err)
	}
}
