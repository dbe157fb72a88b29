package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/snapshot"
	"github.com/musterhq/muster/snapshot/agent"
)

// Where an agent sees the folder of all volumes, and the file of the snapshot.
const (
	volumesPath  = "/volumes"
	snapshotPath = "/snapshot"
)

// volumeCapabilities are what it takes to make any file, of any owner.
var volumeCapabilities = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"}

// sight is what an agent sees of the engine's machine: the folder of all volumes, and the file of a snapshot, if one is named.
type sight struct{ volumes, file string }

// mover is an agent that waits to be told what it shall do; or has a volume's data, and waits to be told where it belongs.
type mover struct {
	session session
	out     *io.PipeReader
	said    *bufio.Reader   // of out
	errs    strings.Builder // to be read once said has ended
	sees    sight           // by its own names
	size    int64           // of the packed archive
}

// session is the connection to an agent: a [Session], or to one in this process.
type session interface {
	io.Writer
	CloseWrite() error
	Close() error
	Copy(out, errs io.Writer) error
	ExitCode(ctx context.Context) (int, error)
}

// quitWithin bounds the wait for an agent that was told to end.
const quitWithin = 10 * time.Second

// startVolumeAgent starts one that waits to be told what it shall do.
func (e *Engine) startVolumeAgent(ctx context.Context, sees sight) (*mover, error) {
	inside := sight{volumes: volumesPath}
	folders := []AgentFolder{{Source: sees.volumes, Path: volumesPath}}
	if sees.file != "" {
		inside.file = snapshotPath
		folders = append(folders, AgentFolder{Source: sees.file, Path: snapshotPath, ReadOnly: true})
	}
	s, err := e.Agent(context.WithoutCancel(ctx), AgentSpec{Args: []string{agent.Command}, Capabilities: volumeCapabilities, Folders: folders})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAgent, err)
	}
	return newMover(s, inside), nil
}

func newMover(s session, sees sight) *mover {
	out, say := io.Pipe()
	m := &mover{session: s, out: out, said: bufio.NewReader(out), sees: sees}
	go func() { _ = say.CloseWithError(s.Copy(say, &m.errs)) }() // until the agent ends, or end is called
	return m
}

// tell says what it shall do.
func (m *mover) tell(spec agent.Spec) error {
	m.size, spec.Volumes, spec.File = spec.Size, m.sees.volumes, m.sees.file
	text, err := json.Marshal(spec)
	if err == nil {
		_, err = m.session.Write(append(text, '\n'))
	}
	if err != nil {
		m.end()
		return fmt.Errorf("%w: %w", ErrNoAgent, err)
	}
	return nil
}

// expect waits for what the agent says, and reports how far it is.
func (m *mover) expect(line string, report func(runner.Progress)) error {
	for {
		said, err := m.said.ReadString('\n')
		said = strings.TrimSpace(said)
		if err == nil && said == line {
			return nil
		}
		read := runner.Progress{Text: "Filling"}
		if _, other := fmt.Sscanf(said, agent.Read+" %d", &read.Current); err == nil && other == nil {
			report(read)
			continue
		}
		if errors.Is(err, io.EOF) {
			said = strings.TrimSpace(said + m.errs.String())
		}
		m.end()
		return fmt.Errorf("%w: it says %q", ErrNoAgent, said)
	}
}

// fill sends the archive to an agent that does not see it, and waits until the volume is filled.
func (m *mover) fill(ctx context.Context, packed *snapshot.Packed, report func(runner.Progress)) error {
	stop := context.AfterFunc(ctx, m.end)
	var sent error
	if m.sees.file == "" {
		_, sent = io.CopyBuffer(m.session, struct{ io.Reader }{io.LimitReader(packed, m.size)}, make([]byte, 1<<20))
	}
	err := m.expect(agent.Filled, report)
	if !stop() && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && sent != nil {
		return fmt.Errorf("%w: %w", ErrNoAgent, sent)
	}
	return err
}

// move tells the agent where its volume's data belongs.
func (m *mover) move(ctx context.Context, target string, report func(runner.Progress)) error {
	defer context.AfterFunc(ctx, m.end)()
	if _, err := fmt.Fprintln(m.session, agent.MoveTo+target); err != nil {
		return fmt.Errorf("%w: %w", ErrNoAgent, err)
	}
	if err := m.expect(agent.Moved, report); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// quit ends it, and waits until it is gone and writes nothing any more.
func (m *mover) quit(ctx context.Context) {
	m.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quitWithin)
	defer cancel()
	_, _ = m.session.ExitCode(ctx)
}

// end lets it go; its container is removed by the engine.
func (m *mover) end() {
	_ = m.session.CloseWrite()
	_ = m.session.Close()
	_ = m.out.Close()
}
