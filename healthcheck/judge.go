package healthcheck

import (
	"fmt"
	"strings"
	"time"
)

// A wait gives up on a container that its engine starts again and again when it has
// ended maxDeaths times, or more than once and for longer than dying. With Docker's
// pauses (0.1 s, doubling up to a minute) both come to about the same,
// in which a slow neighbour has had its chance.
const (
	maxDeaths = 8
	dying     = 15 * time.Second
)

const (
	reasonGone    = "was removed while it was waited for"
	reasonMissing = "does not exist"
	reasonNoCheck = "has no health check"
	reasonSick    = "unhealthy"
)

// verdict is what a look at a container means for one wait.
type verdict int

const (
	undecided verdict = iota
	met
	failed
)

// past is what a wait has seen of its container besides the last look.
type past struct {
	deaths int // times it ended
	// fellIll: the engine has called it unhealthy during the wait, and may have called it healthy since.
	fellIll bool
	// dyingFor is the time since the first of them.
	dyingFor time.Duration
	// lastCode is the exit code of the last of them, where it is known.
	lastCode *int
	// probedGood: muster's own run of the check succeeded in this run of the container.
	probedGood bool
	// cannot is why the target's check can never succeed.
	cannot *CannotCheck
	// verdictIsOld: the engine's unhealthy is from before the wait and no check of ours has confirmed it yet.
	verdictIsOld bool
	// exitedWell: it ended with 0 although it may run again by now.
	exitedWell bool
	// waitedFor is how long the wait had gone on at the last look.
	waitedFor time.Duration
	// startedAgain: an earlier wait found it good, and the engine has started it since.
	startedAgain bool
	// runningFor is how long it had been seen to run without a break at the last look.
	runningFor time.Duration
}

// loops says whether the engine will not get the container going.
func (p past) loops() bool { return p.deaths >= maxDeaths || p.deaths > 1 && p.dyingFor >= dying }

// judge says what a container in status s, with past p, means for a wait for t.
func judge(t Target, s Status, p past) (verdict, *Failure) {
	if t.Condition == Completed && p.exitedWell {
		return met, nil
	}
	switch {
	case s.Exited || s.Restarting:
		return judgeEnded(t, s, p)
	case t.Condition == Healthy && t.Check == nil && !hasCheck(s):
		return failed, &Failure{Name: t.Name, Reason: reasonNoCheck,
			Advice: "give the service a healthcheck or x-muster.ready, or wait for service_started"}
	case s.Running && s.Paused:
		return failed, &Failure{Name: t.Name, Reason: "is paused", Advice: "unpause it"}
	case s.Running:
		return judgeRunning(t, s, p)
	default:
		return undecided, nil // not started yet
	}
}

// judgeEnded judges a container that is not running but was.
func judgeEnded(t Target, s Status, p past) (verdict, *Failure) {
	if (t.Condition == Completed || t.OrCompleted && t.Condition != Healthy) && s.Exited && s.ExitCode == 0 {
		return met, nil
	}
	again := s.Restarts || s.Restarting
	if again && !p.loops() && t.Condition != Stable && t.Condition != Steady {
		return undecided, nil
	}
	f := death(t, s, &s.ExitCode)
	if s.OOMKilled {
		f.OOMKilled = true
		f.Reason += ", out of memory"
		f.Advice = "raise its memory limit"
	}
	if again && p.deaths > 1 {
		f.Reason += looping(p)
	}
	return failed, f
}

// death is the failure of a container that has ended with a code, which may not be known.
func death(t Target, s Status, code *int) *Failure {
	f := &Failure{Name: t.Name, Reason: "died", Ended: true, Probe: s.LastProbe}
	if code != nil {
		f.ExitCode = *code
		f.Reason = fmt.Sprintf("exited with code %d", *code)
	}
	return f
}

func looping(p past) string {
	return fmt.Sprintf(", for the %s time; the engine keeps restarting it", ordinal(p.deaths))
}

// judgeRunning judges a container that runs and is not paused.
func judgeRunning(t Target, s Status, p past) (verdict, *Failure) {
	switch {
	case t.Condition == Running:
		return met, nil
	case t.Condition == Completed:
		if p.loops() {
			f := death(t, s, p.lastCode)
			f.Reason += looping(p)
			return failed, f
		}
		return undecided, nil
	case (t.Condition == Stable || t.Condition == Steady) && p.deaths > 0:
		f := death(t, s, p.lastCode)
		f.Reason += " and was started again by the engine"
		return failed, f
	case t.Condition == Steady:
		return judgeSteady(t, s, p)
	case t.Check != nil:
		return judgeCheck(t, s, p)
	case !hasCheck(s):
		if t.Condition == Stable && p.runningFor < t.Monitor {
			return undecided, nil
		}
		return met, nil
	case s.Health == "healthy" || p.probedGood:
		return met, nil
	case s.Health == "unhealthy" && !p.verdictIsOld:
		return failed, &Failure{Name: t.Name, Reason: reasonSick, Probe: s.LastProbe}
	default:
		return undecided, nil
	}
}

// judgeSteady judges a running container that was good when the wait began. Only the engine's own verdict
// counts: ours is that of the moment before.
func judgeSteady(t Target, s Status, p past) (verdict, *Failure) {
	switch {
	case p.startedAgain:
		f := death(t, s, p.lastCode)
		f.Reason += " and was started again by the engine"
		return failed, f
	case s.Health == "unhealthy" || p.fellIll:
		return failed, &Failure{Name: t.Name, Reason: reasonSick, Probe: s.LastProbe}
	case p.waitedFor < t.Monitor:
		return undecided, nil
	}
	return met, nil
}

// judgeCheck judges a running container by the target's check. The engine's verdict on the
// container's own, where it has one, can still be that it is broken.
func judgeCheck(t Target, s Status, p past) (verdict, *Failure) {
	switch {
	case p.probedGood:
		return met, nil
	case s.Health == "unhealthy" && !p.verdictIsOld:
		return failed, &Failure{Name: t.Name, Reason: reasonSick, Probe: s.LastProbe}
	case p.cannot != nil:
		return failed, &Failure{Name: t.Name, Reason: "cannot be checked: " + p.cannot.Reason, Advice: p.cannot.Advice}
	default:
		return undecided, nil
	}
}

// hasCheck says whether anybody looks after the container's health.
func hasCheck(s Status) bool {
	return s.Health != "" || len(s.Test) > 0 && s.Test[0] != "NONE"
}

// late is the failure of a wait whose time is over.
func late(t Target, s Status) *Failure {
	word := string(t.Condition)
	switch {
	case t.Condition == Running, t.Condition == Completed:
	case t.Check != nil:
		word = string(Ready)
	case hasCheck(s):
		word = string(Healthy)
	}
	f := &Failure{Name: t.Name, Reason: fmt.Sprintf("not %s within %s", word, shortDuration(t.Timeout)), Probe: s.LastProbe}
	if s.Exited || s.Restarting {
		f.ExitCode, f.OOMKilled = s.ExitCode, s.OOMKilled
	}
	return f
}

// shortDuration is 1m and 30s where Go writes 1m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ordinal is 2nd, 3rd, 8th.
func ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	default:
		return fmt.Sprintf("%dth", n)
	}
}
