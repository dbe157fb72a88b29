package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// Stack is an engine seen from one project. It is what package healthcheck
// waits with.
type Stack struct {
	*Engine
	project string
}

// Stack looks at the engine from one project.
func (e *Engine) Stack(project string) *Stack { return &Stack{Engine: e, project: project} }

// Event is something that happened to a container of the project.
type Event struct {
	At       time.Time
	Action   string // start, die, oom, health, pause, unpause, destroy, rename, …, or resync
	ID       string
	Name     string
	Service  string
	Number   int
	OneOff   bool
	Health   string // with health: healthy or unhealthy
	ExitCode int    // with die
	// Labels are the container's labels and what the engine adds to an event.
	Labels map[string]string
}

const (
	// eventBuffer is how many events a slow reader may be behind before it is
	// told to look again. The engine itself drops events for a reader that
	// does not take them within 100 ms, and says nothing.
	eventBuffer = 1024
	// reconnects bounds how often a broken stream is taken up again without a
	// single event in between; the pause between grows from reconnectPause.
	reconnects     = 6
	reconnectPause = 50 * time.Millisecond
	// Resync is the action of an event that stands for those that may have
	// been lost.
	resync = "resync"
)

// watched are the actions that change how a container is. Without this filter each
// probe of a health check would send three events.
func watched() []string {
	return []string{"create", "start", "restart", "die", "oom", "health_status", "pause", "unpause", "kill", "stop", "destroy", "rename"}
}

// Watch streams what happens to the project's containers. A stream that breaks is
// taken up again and says resync; the channel is closed when that fails too, or when ctx ends.
func (s *Stack) Watch(ctx context.Context) (<-chan healthcheck.Event, error) {
	all, err := s.Events(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan healthcheck.Event, eventBuffer)
	go func() {
		defer close(out)
		for ev := range all {
			switch ev.Action {
			case "start", "die", "kill", "oom", "health", "pause", "unpause", "destroy", "rename", resync:
			default:
				continue
			}
			at := ev.At
			if at.Nanosecond() == 0 {
				at = time.Time{} // whole seconds say too little
			}
			select {
			case out <- healthcheck.Event{Name: ev.Name, What: ev.Action, Health: ev.Health, ExitCode: ev.ExitCode, At: at}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Events streams what happens to the project's containers, with more detail
// than Watch. When it returns, events are being collected.
func (s *Stack) Events(ctx context.Context) (<-chan Event, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	body, err := s.subscribe(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan Event, eventBuffer)
	go s.pump(ctx, body, out)
	return out, nil
}

// pump owns the stream and the channel: it reads until ctx ends or the stream
// can no longer be had.
func (s *Stack) pump(ctx context.Context, body io.ReadCloser, out chan<- Event) {
	defer close(out)
	for {
		missed := false
		send := func(ev Event) {
			if missed {
				select {
				case out <- Event{Action: resync, At: ev.At}:
					missed = false
				default:
					return
				}
			}
			select {
			case out <- ev:
			default:
				missed = true
			}
		}
		readEvents(body, send)
		_ = body.Close()
		if body = s.resubscribe(ctx); body == nil {
			return
		}
		select {
		case out <- Event{Action: resync}:
		case <-ctx.Done():
			_ = body.Close()
			return
		}
	}
}

// resubscribe takes a broken stream up again; nil when ctx ends or the engine stays away.
func (s *Stack) resubscribe(ctx context.Context) io.ReadCloser {
	pause := reconnectPause
	for range reconnects {
		if ctx.Err() != nil {
			return nil
		}
		if body, err := s.subscribe(ctx); err == nil {
			return body
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause *= 2
	}
	return nil
}

// readEvents hands on each event until the stream ends.
func readEvents(body io.Reader, send func(Event)) {
	decoder := json.NewDecoder(body)
	for {
		var m events.Message
		if err := decoder.Decode(&m); err != nil {
			return
		}
		if ev, ok := fromMessage(m); ok {
			send(ev)
		}
	}
}

// subscribe opens the stream and makes sure that the engine has taken us on. The client's own
// call would do, but the engine answers before it subscribes us: an event of that moment would be
// lost. On a local engine, whose clock is ours, it repeats what happened since
// the call; on others a round trip on a second connection gives it the time.
func (s *Stack) subscribe(ctx context.Context) (io.ReadCloser, error) {
	args := ofProject(s.project)
	args.Add("type", "container")
	for _, action := range watched() {
		args.Add("event", action)
	}
	filter, err := filters.ToJSON(args)
	if err != nil {
		return nil, err
	}
	query := url.Values{"filters": {filter}}
	if isLocal(s.host) {
		now := time.Now()
		query.Set("since", strconv.FormatInt(now.Unix(), 10)+"."+leftPad(now.Nanosecond()))
	}
	resp, err := s.get(ctx, "/events", query)
	if err != nil {
		return nil, s.wrap(ctx, err, "watch the events of", s.project)
	}
	if !isLocal(s.host) {
		if _, err := s.ping(ctx, http.MethodHead); err != nil {
			_ = resp.Body.Close()
			return nil, s.wrap(ctx, err, "watch the events of", s.project)
		}
	}
	return resp.Body, nil
}

func leftPad(nanoseconds int) string {
	digits := strconv.Itoa(nanoseconds)
	return strings.Repeat("0", 9-len(digits)) + digits
}

// get asks for a path of the API with the bare HTTP client, for those calls whose response
// headers count. The answer is one of success; its body must be closed.
func (e *Engine) get(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	target, err := e.url("/v"+e.client.ClientVersion()+path, query)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.client.HTTPClient().Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct{ Message string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&said)
	if said.Message == "" {
		said.Message = "HTTP " + resp.Status
	}
	return nil, errors.New(said.Message)
}

// fromMessage reads one event; ok is false for those that are of no use.
func fromMessage(m events.Message) (ev Event, ok bool) {
	attributes := m.Actor.Attributes
	ev = Event{
		At:      time.Unix(0, m.TimeNano),
		Action:  string(m.Action),
		ID:      m.Actor.ID,
		Name:    strings.TrimPrefix(attributes["name"], "/"),
		Service: attributes[planner.LabelService],
		OneOff:  attributes[planner.LabelOneOff] == "True",
		Labels:  attributes,
	}
	ev.Number, _ = strconv.Atoi(attributes[planner.LabelNumber])
	action, verdict, _ := strings.Cut(ev.Action, ": ")
	switch action {
	case "health_status":
		if verdict == "" {
			verdict = attributes["health_status"] // Podman
		}
		if verdict != "healthy" && verdict != "unhealthy" {
			return ev, false
		}
		ev.Action, ev.Health = "health", verdict
	case "die", "died":
		ev.Action = "die"
		code := attributes["exitCode"]
		if code == "" {
			code = attributes["containerExitCode"] // Podman
		}
		ev.ExitCode, _ = strconv.Atoi(code)
	case "remove":
		ev.Action = "destroy" // Podman
	}
	return ev, true
}
