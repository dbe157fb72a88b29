package fault

import (
	"context"

	"github.com/musterhq/muster/planner"
)

// undo makes a container what it was, and says what it took.
type undo = func(ctx context.Context) (string, error)

// Kill sends a signal, SIGKILL unless told otherwise. After SIGKILL, and after the container's own stop signal, engines start
// nothing again, whatever the restart policy: another one, such as SIGABRT, is a crash to them.
type Kill struct{ Signal string }

// Stop asks the container to end, and waits for that.
type Stop struct{}

// Pause halts all processes where they are: the container is there and does not answer.
type Pause struct{}

// Restart stops the container and starts it again. It is over then.
type Restart struct{}

// Disconnect takes the container off all its networks.
type Disconnect struct{}

// Did is what the container has suffered.
func (f Kill) Did() string {
	if f.Signal != "" {
		return "sent " + f.Signal
	}
	return "killed"
}

// Did is what the container has suffered.
func (Stop) Did() string { return "stopped" }

// Did is what the container has suffered.
func (Pause) Did() string { return "paused" }

// Did is what the container has suffered.
func (Restart) Did() string { return "restarted" }

// Did is what the container has suffered.
func (Disconnect) Did() string { return "disconnected" }

// Lasts is true: it is to be started again.
func (Kill) Lasts() bool { return true }

// Lasts is true: it is to be started again.
func (Stop) Lasts() bool { return true }

// Lasts is true: it is to go on.
func (Pause) Lasts() bool { return true }

// Lasts is false: it runs again.
func (Restart) Lasts() bool { return false }

// Lasts is true: it is to be connected again.
func (Disconnect) Lasts() bool { return true }

func (f Kill) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	return s.disturb(ctx, c, func(c planner.Container) []planner.Action {
		signal := f.Signal
		if signal == "" {
			signal = "SIGKILL"
		}
		return []planner.Action{planner.KillContainer{Name: c.Name, Service: c.Service, Signal: signal}}
	})
}

func (Stop) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	return s.disturb(ctx, c, func(c planner.Container) []planner.Action {
		return []planner.Action{planner.StopContainer{Name: c.Name, Service: c.Service}}
	})
}

func (Pause) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	return s.disturb(ctx, c, func(c planner.Container) []planner.Action {
		return []planner.Action{planner.PauseContainer{Name: c.Name, Service: c.Service}}
	})
}

func (Restart) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	end, err := s.disturb(ctx, c, func(c planner.Container) []planner.Action {
		return []planner.Action{planner.RestartContainer{Name: c.Name, Service: c.Service}}
	})
	if end == nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		did, err := end(ctx)
		if did == "is as it was" {
			did = "" // which is what a restart is
		}
		return did, err
	}, err
}

func (Disconnect) begin(ctx context.Context, s *scene, c planner.Container) (undo, error) {
	return s.disturb(ctx, c, func(c planner.Container) []planner.Action {
		var out []planner.Action
		for _, e := range c.Endpoints {
			out = append(out, planner.DisconnectNetwork{Name: c.Name, Service: c.Service, Network: e.Network})
		}
		return out
	})
}
