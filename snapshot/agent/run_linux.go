package agent

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// content is the folder of a volume's folder that has its data.
const content = "_data"

// Run does what a [Spec] in JSON says, and then what it is told on in, until that ends.
func Run(text string, in io.Reader, out io.Writer) error {
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	// Whatever an archive, or a name, says: nothing beside the volumes is touched.
	volumes, err := os.OpenRoot(spec.Volumes)
	if err != nil {
		return err
	}
	defer volumes.Close()
	told := bufio.NewReaderSize(in, 1<<20)
	if spec.Size > 0 {
		if err := fill(volumes, spec, told, out); err != nil {
			return fmt.Errorf("fill volume %s: %w", spec.Volume, err)
		}
	}
	if _, err := fmt.Fprintln(out, Filled); err != nil {
		return err
	}
	line, err := told.ReadString('\n')
	if err != nil {
		return nil // there is nothing more to do, or nobody to do it for
	}
	to, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), MoveTo)
	if !ok {
		return fmt.Errorf("the agent knows no %q", line)
	}
	if err := move(volumes, spec.Volume, to); err != nil {
		return fmt.Errorf("move the data of volume %s to %s: %w", spec.Volume, to, err)
	}
	_, err = fmt.Fprintln(out, Moved)
	return err
}

// tellEach is after how many bytes of an archive that is said.
const tellEach = 16 << 20

// reading sums up what is read of an archive, and says how much that is.
type reading struct {
	io.Reader
	sum  hash.Hash
	out  io.Writer
	n    int64
	told int64
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	_, _ = r.sum.Write(p[:n])
	if r.n += int64(n); r.n-r.told >= tellEach {
		r.told = r.n
		_, _ = fmt.Fprintln(r.out, Read, r.n) // nobody may listen any more
	}
	return n, err
}

// fill unpacks the archive, from its file or from what the agent is told.
func fill(volumes *os.Root, spec Spec, told io.Reader, out io.Writer) error {
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
	reading := &reading{Reader: packed, sum: sha256.New(), out: out}
	unpacked, err := zstd.NewReader(reading)
	if err != nil {
		return err
	}
	defer unpacked.Close()
	if err := unpack(root, unpacked); err != nil {
		return err
	}
	// What stands behind the end mark counts as well.
	if _, err = io.Copy(io.Discard, unpacked); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(reading.sum.Sum(nil)); got != spec.Sum {
		return fmt.Errorf("the archive has the digest %s, not %s", got, spec.Sum)
	}
	return nil
}

// move lets two volumes change their data in one step, so that whoever is interrupted finds one or the other. Once that is done the volume
// that it came from is empty, which is how a second call knows. What the target has is not to be believed, and goes.
func move(volumes *os.Root, from, to string) error {
	source, err := volumes.Open(filepath.Join(from, content))
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := volumes.OpenRoot(filepath.Join(to, content))
	if err != nil {
		return err
	}
	defer target.Close()
	empty, err := isEmpty(source)
	if err != nil {
		return err
	}
	there, err := target.Open(".")
	if err != nil {
		return err
	}
	defer there.Close()
	has, err := there.Readdirnames(-1)
	if err != nil {
		return err
	}
	if empty {
		if len(has) > 0 {
			return nil // it is done
		}
		return likeFolder(there, source)
	}
	for _, name := range has {
		if err := target.RemoveAll(name); err != nil {
			return err
		}
	}
	return exchange(volumes, from, to)
}

func exchange(volumes *os.Root, from, to string) error {
	one, err := volumes.Open(from)
	if err != nil {
		return err
	}
	defer one.Close()
	other, err := volumes.Open(to)
	if err != nil {
		return err
	}
	defer other.Close()
	return unix.Renameat2(int(one.Fd()), content, int(other.Fd()), content, unix.RENAME_EXCHANGE)
}

func isEmpty(folder *os.File) (bool, error) {
	_, err := folder.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// likeFolder gives a folder the owner, the mode and the time of another one.
func likeFolder(folder, other *os.File) error {
	var was unix.Stat_t
	if err := unix.Fstat(int(other.Fd()), &was); err != nil {
		return err
	}
	fd := int(folder.Fd())
	return errors.Join(unix.Fchown(fd, int(was.Uid), int(was.Gid)), unix.Fchmod(fd, was.Mode&0o7777),
		unix.UtimesNanoAt(fd, ".", []unix.Timespec{was.Atim, was.Mtim}, 0))
}
