package instance_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/project"
)

// holderOf, in the environment of this test's program, makes it hold an instance of that registry until its input ends.
const holderOf = "MUSTER_TEST_HOLDER_OF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderOf); dir != "" {
		_, err := instance.Registry(dir).Hold(copyNamed("two"), lock.Holder{PID: os.Getpid(), Since: now})
		fmt.Println("held:", err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// A program that is killed cannot say goodbye: what it held is nobody's all the same.
func TestHoldOfAProgramThatIsKilled(t *testing.T) {
	dir := t.TempDir()
	r := instance.Registry(dir)
	if _, err := r.Ports(copyNamed("two"), now, []project.HostPort{web}, all); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holderOf+"="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "held: <nil>\n" {
		t.Fatal(said, err)
	}
	record, there := r.Find("shop-two")
	if !there || !record.Held || record.Holder.PID != child.Process.Pid || len(record.Ports) != 1 {
		t.Errorf("%+v, %v", record, there)
	}
	late := now.Add(time.Hour)
	record.Expires = now
	if why := r.Over(record, late); why != "" || !r.Held("shop-two") {
		t.Errorf("while it is held: %q, held %v", why, r.Held("shop-two"))
	}
	for what, take := range map[string]func() error{
		"hold":  func() error { _, err := r.Hold(copyNamed("two"), lock.Holder{}); return err },
		"seize": func() error { _, err := r.Seize("shop-two", lock.Holder{}); return err },
	} {
		if err := take(); !instance.IsHeld(err) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", child.Process.Pid)) {
			t.Errorf("%s: %v", what, err)
		}
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if why := r.Over(record, now); !strings.Contains(why, fmt.Sprintf("what held it has ended: process %d", child.Process.Pid)) {
		t.Errorf("after it was killed: %q", why)
	}
	// Ports that are asked for meanwhile do not make it somebody's.
	if _, err := r.Ports(copyNamed("two"), late, []project.HostPort{web}, all); err != nil {
		t.Fatal(err)
	}
	if record, _ := r.Find("shop-two"); !record.Held {
		t.Error("forgotten that it was held")
	}
	release, err := r.Seize("shop-two", lock.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Hold(copyNamed("two"), lock.Holder{}); !instance.IsHeld(err) {
		t.Errorf("while it is being removed: %v", err)
	}
	release()
}

func TestHoldIsReleased(t *testing.T) {
	r := instance.Registry(t.TempDir())
	for range 2 {
		hold, err := r.Hold(copyNamed("two"), lock.Holder{PID: 7, Since: now})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := hold.Release(); err != nil {
				t.Fatal(err)
			}
		}
		record, there := r.Find("shop-two")
		if !there || record.Dir != "/src/two" || r.Over(record, now) != "" {
			t.Errorf("%+v, %v, over: %q", record, there, r.Over(record, now))
		}
	}
	hold, err := r.Hold(copyNamed("two"), lock.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Forget("shop-two"); err != nil {
		t.Fatal(err)
	}
	if err := hold.Release(); err != nil {
		t.Fatal(err)
	}
	if _, there := r.Find("shop-two"); there {
		t.Error("it is back")
	}
}

func TestExpire(t *testing.T) {
	r := instance.Registry(t.TempDir())
	if err := r.Expire(copyNamed("two"), now); err != nil {
		t.Fatal(err)
	}
	record, there := r.Find("shop-two")
	if !there || record.Dir != "/src/two" {
		t.Errorf("%+v, %v", record, there)
	}
	if why := r.Over(record, now.Add(-time.Second)); why != "" {
		t.Errorf("too early: %q", why)
	}
	if why := r.Over(record, now); !strings.HasPrefix(why, "it expired 2026-11-2") {
		t.Errorf("got %q", why)
	}
	if err := r.Expire(copyNamed("two"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if record, _ := r.Find("shop-two"); r.Over(record, now) != "" {
		t.Error("one that is to stay is over")
	}
}

// Where nothing can be kept, a program goes on without.
func TestHoldWithoutFolder(t *testing.T) {
	hold, err := instance.Registry("").Hold(copyNamed("two"), lock.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Release(); err != nil {
		t.Error(err)
	}
	release, err := instance.Registry("").Seize("shop-two", lock.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	release()
	if instance.Registry("").Held("shop-two") {
		t.Error("held")
	}
}
