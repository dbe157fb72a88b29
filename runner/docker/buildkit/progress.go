package buildkit

import (
	"context"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/runner"
)

// display reports the plain lines that BuildKit's users know, and how many of
// the build's steps are done. It ends when statuses is closed.
func display(statuses <-chan *client.SolveStatus, report func(runner.Progress)) error {
	// Both reports come from this package's two goroutines; the receiver is
	// promised one at a time.
	reports := make(chan runner.Progress)
	plain := make(chan *client.SolveStatus)
	var group errgroup.Group
	group.Go(func() error {
		defer close(reports)
		out := &lineWriter{emit: func(line string) {
			if line != "" { // without a line a report is one of steps
				reports <- runner.Progress{Line: line}
			}
		}}
		screen, err := progressui.NewDisplay(out, progressui.PlainMode)
		if err != nil {
			for range plain { // the build must go on
			}
			return err
		}
		// The display ends with the channel and not with the build's context,
		// so that the last words of a build that was stopped are seen.
		warnings, err := screen.UpdateFrom(context.Background(), plain)
		out.end()
		for _, w := range warnings {
			reports <- runner.Progress{Line: "warning: " + string(w.Short)}
		}
		return err
	})
	group.Go(func() error {
		defer close(plain)
		steps := counter{seen: map[digest.Digest]bool{}}
		for s := range statuses {
			if p, changed := steps.count(s); changed {
				reports <- p
			}
			plain <- s
		}
		return nil
	})
	for p := range reports {
		report(p)
	}
	return group.Wait()
}

// counter counts a build's steps.
type counter struct {
	seen map[digest.Digest]bool // whether it is done
	done int
}

func (c *counter) count(s *client.SolveStatus) (p runner.Progress, changed bool) {
	for _, v := range s.Vertexes {
		was, known := c.seen[v.Digest]
		if now := v.Completed != nil; !known || now != was {
			c.seen[v.Digest] = now
			changed = true
			switch {
			case now:
				c.done++
			case was: // it began again
				c.done--
			}
		}
		if v.Started != nil && v.Completed == nil {
			p.Text = v.Name
		}
	}
	p.Current, p.Total = int64(c.done), int64(len(c.seen))
	return p, changed
}

// lineWriter cuts what is written into lines.
type lineWriter struct {
	emit func(string)
	rest string
}

// Write takes all of p.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest += string(p)
	for {
		line, rest, found := strings.Cut(w.rest, "\n")
		if !found {
			return len(p), nil
		}
		w.rest = rest
		w.emit(strings.TrimRight(line, "\r"))
	}
}

func (w *lineWriter) end() {
	if w.rest != "" {
		w.emit(w.rest)
		w.rest = ""
	}
}
