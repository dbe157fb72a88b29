package agent

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// content is the folder of a volume's folder that has its data.
const content = "_data"

// Run does what the [Spec] on in says, and then what follows it, until that ends. Where it ends before that, there is nothing to do.
// What a volume had before is removed last, when nobody waits for anything any more.
func Run(in io.Reader, out io.Writer) error {
	rest, err := Serve(in, out)
	if err != nil || rest == nil {
		return err
	}
	return rest.Clear()
}

// Serve is Run but for the rest, which is left to do where it is not nil.
func Serve(in io.Reader, out io.Writer) (rest *Spec, err error) {
	told := bufio.NewReaderSize(in, 1<<20)
	text, err := told.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, nil // nobody needed it after all
	}
	if err != nil {
		return nil, err
	}
	var spec Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	// Whatever an archive, or a name, says: nothing beside the volumes is touched.
	volumes, err := os.OpenRoot(spec.Volumes)
	if err != nil {
		return nil, err
	}
	defer volumes.Close()
	if spec.ClearOnly {
		return &spec, nil
	}
	var left atomic.Bool
	more := make(chan struct{})
	if spec.File != "" {
		go func() { // until there is more on the input, or that ends
			_, err := told.Peek(1)
			left.Store(err != nil)
			close(more)
		}()
	} else {
		close(more)
	}
	if spec.Size > 0 {
		if err := fill(volumes, spec, told, &left, out); err != nil {
			return nil, fmt.Errorf("fill volume %s: %w", spec.Volume, err)
		}
	}
	if _, err := fmt.Fprintln(out, Filled); err != nil {
		return nil, err
	}
	<-more
	line, err := told.ReadString('\n')
	if err != nil {
		return nil, nil // there is nothing more to do, or nobody to do it for
	}
	to, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), MoveTo)
	if !ok {
		return nil, fmt.Errorf("the agent knows no %q", line)
	}
	if err := move(volumes, spec.Volume, to); err != nil {
		return nil, fmt.Errorf("move the data of volume %s to %s: %w", spec.Volume, to, err)
	}
	if _, err := fmt.Fprintln(out, Moved); err != nil {
		return nil, err
	}
	// Whoever is told so starts what uses the new data, which comes first. To end, which keeps an engine busy, waits until the input does.
	_, _ = io.Copy(io.Discard, told)
	return &Spec{Volumes: spec.Volumes, Volume: to, ClearOnly: true}, nil
}

// Clear removes what the volume had before, as far as nothing else wants the processors.
func (s Spec) Clear() error {
	volumes, err := os.OpenRoot(s.Volumes)
	if err != nil {
		return err
	}
	defer volumes.Close()
	if err := atLeisure(func() error { return clearOld(volumes, s.Volume) }); err != nil {
		return fmt.Errorf("remove what volume %s had before: %w", s.Volume, err)
	}
	return nil
}

// lowest is the priority, from -20 to 19, of what may take as long as it likes.
const lowest = 19

// atLeisure does something with the lowest priority, on a thread that ends with it.
func atLeisure(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, lowest) // of this thread; without it the same is done
		done <- do()
	}()
	return <-done
}

// tellEach is after how many bytes of an archive that is said.
const tellEach = 16 << 20

// errLeft is why nothing is unpacked any more.
var errLeft = errors.New("nobody waits for it any more")

// reading sums up what is read of an archive, and says how much that is. It ends once it is left.
type reading struct {
	io.Reader
	left *atomic.Bool
	sum  hash.Hash
	out  io.Writer
	n    int64
	told int64
}

func (r *reading) Read(p []byte) (int, error) {
	if r.left.Load() {
		return 0, errLeft
	}
	n, err := r.Reader.Read(p)
	_, _ = r.sum.Write(p[:n])
	if r.n += int64(n); r.n-r.told >= tellEach {
		r.told = r.n
		_, _ = fmt.Fprintln(r.out, Read, r.n) // nobody may listen any more
	}
	return n, err
}

// fill unpacks the archive, from its file or from what the agent is told. What it fails to fill it leaves empty: whoever does it otherwise finds nothing there
// that is not of the archive.
func fill(volumes *os.Root, spec Spec, told io.Reader, left *atomic.Bool, out io.Writer) error {
	if err := settle(volumes, spec.Volume); err != nil {
		return err
	}
	root, err := volumes.OpenRoot(filepath.Join(spec.Volume, content))
	if err != nil {
		return err
	}
	defer root.Close()
	packed := io.LimitReader(told, spec.Size)
	if spec.File != "" {
		file, err := os.Open(spec.File)
		if err != nil {
			return err
		}
		defer file.Close()
		packed = file
	}
	if _, err := fmt.Fprintln(out, Began); err != nil {
		return err
	}
	if err := unpackAll(root, &reading{Reader: packed, left: left, sum: sha256.New(), out: out}, spec.Sum); err != nil {
		return errors.Join(err, empty(root))
	}
	return nil
}

// unpackAll unpacks an archive that has a digest.
func unpackAll(root *os.Root, reading *reading, sum string) error {
	unpacking, err := zstd.NewReader(reading, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer unpacking.Close()
	unpacked := readAhead(unpacking)
	defer unpacked.Close()
	if err := unpack(root, unpacked); err != nil {
		return err
	}
	// What stands behind the end mark counts as well.
	if _, err = io.Copy(io.Discard, unpacked); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(reading.sum.Sum(nil)); got != sum {
		return fmt.Errorf("the archive has the digest %s, not %s", got, sum)
	}
	return nil
}

// Names beside the place for data in a volume. moving begins that of data that changes places with another volume's; its own number follows, by which it is
// known. old begins that of data that a volume had before, and is still to be removed; an engine removes it with the volume, too.
const (
	moving = "moving-"
	old    = "old-"
)

// move lets two volumes change their data in one step, so that whoever is interrupted finds one or the other. The volume that it came from is empty then, and
// what the other one had is set aside there. To do it once more changes nothing.
func move(volumes *os.Root, from, to string) error {
	source, err := volumes.OpenRoot(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := volumes.OpenRoot(to)
	if err != nil {
		return err
	}
	defer target.Close()
	data, err := setAside(source)
	if err != nil {
		return err
	}
	is, err := source.Lstat(data)
	if err != nil {
		return err
	}
	if data == moving+number(is) {
		if err := exchange(source, data, target, content); err != nil {
			return err
		}
	}
	if err := source.Mkdir(content, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A folder stays in its place, which says that the move is done.
	name := old + rand.Text()
	if err := target.Mkdir(name, 0o700); err != nil {
		return err
	}
	return exchange(source, data, target, name)
}

// exchange lets two folders change their places in one step.
func exchange(a *os.Root, nameA string, b *os.Root, nameB string) error {
	folderA, err := a.Open(".")
	if err != nil {
		return err
	}
	defer folderA.Close()
	folderB, err := b.Open(".")
	if err != nil {
		return err
	}
	defer folderB.Close()
	return unix.Renameat2(int(folderA.Fd()), nameA, int(folderB.Fd()), nameB, unix.RENAME_EXCHANGE)
}

// setAside gives data that is to be moved a name that says so, and answers with that.
func setAside(source *os.Root) (string, error) {
	names, err := fs.Glob(source.FS(), moving+"*")
	if err != nil {
		return "", err
	}
	if len(names) > 0 {
		return names[0], nil
	}
	is, err := source.Lstat(content)
	if err != nil {
		return "", err
	}
	name := moving + number(is)
	return name, source.Rename(content, name)
}

// clearOld removes what a volume had before, and what was left of that when an earlier agent was killed.
func clearOld(volumes *os.Root, volume string) error {
	folder, err := volumes.OpenRoot(volume)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an engine has removed all of it
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	names, err := fs.Glob(folder.FS(), old+"*")
	for _, name := range names {
		err = errors.Join(err, folder.RemoveAll(name))
	}
	return err
}

// empty removes all that a folder has.
func empty(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, root.RemoveAll(e.Name()))
	}
	return err
}

// number is what a file system knows a folder by, wherever it is.
func number(is os.FileInfo) string { return strconv.FormatUint(is.Sys().(*syscall.Stat_t).Ino, 10) }
