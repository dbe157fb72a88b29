package docker

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/snapshot/agent"
)

// isHere says that a volume of the engine is a folder of this machine that this process may do anything with, as the engine would. The address does not tell:
// it may lead into a virtual machine, or elsewhere through a tunnel, and there may be a volume of that name here too. The engine says when it was changed
// last, though.
func isHere(v volume.Volume) bool {
	changed, err := time.Parse(time.RFC3339, v.CreatedAt)
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	is, err := os.Lstat(filepath.Dir(v.Mountpoint))
	if err != nil {
		return false
	}
	stat, ok := is.Sys().(*syscall.Stat_t)
	return ok && is.IsDir() && stat.Ctim.Sec == changed.Unix()
}

// isRoots says of a volume that is new whether its users are this machine's. Where root has others in containers, or the engine is a user's own, it is not
// root's.
func isRoots(v volume.Volume) bool {
	is, err := os.Lstat(v.Mountpoint)
	if err != nil {
		return false
	}
	stat, ok := is.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && stat.Gid == 0
}

// goOn starts a program that does what is left, and goes on when this one ends.
func goOn(muster string, rest agent.Spec) error {
	text, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	in, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = tell.Write(append(text, '\n')) // there is room for it
	if err = errors.Join(err, tell.Close()); err != nil {
		return err
	}
	cmd := exec.Command(muster, agent.Command)
	cmd.Args[0] = "muster" // whatever this one is called by
	cmd.Dir, cmd.Stdin = "/", in
	cmd.Env = []string{}                                 // it needs nothing, and must not take what docker told a plugin of its for itself
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no Ctrl-C is meant for it
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
