package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/history"
	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// record is a change on its way into the history. A nil one is none.
type record struct {
	program *program
	folder  history.Folder // empty where there is no place for it
	entry   history.Entry
	b       bringing
	have    planner.State
	fetches bool // the plan makes images that have does not know
}

// historyOf is where the changes of a project on an engine are kept; empty where there is no place.
func (p *program) historyOf(host, project string) history.Folder {
	dir, err := p.stateDir()
	if err != nil {
		return ""
	}
	return history.Folder(filepath.Join(dir, "history", engineKey(host), project))
}

// beginRecord numbers a change and notes that it goes on, so that one that is killed can be told of. The plan that comes
// back says on its containers which change has made them. A plan that changes nothing is no change.
func (p *program) beginRecord(b bringing, plan planner.Plan, have planner.State, host string) (*record, planner.Plan) {
	if !changes(plan) {
		return nil, plan
	}
	r := &record{program: p, folder: p.historyOf(host, b.want.Name), b: b, have: have}
	now := p.now()
	r.entry = history.Entry{
		Number: r.next(), Project: b.want.Name, Began: now, By: lock.User(), PID: os.Getpid(), Command: commandLine(p.args),
		Muster: versionNumber(), Result: history.Running, Changes: changeLines(plan),
		Files: b.want.Files, Directory: b.want.WorkingDir, Services: b.how.Services, Scale: b.how.Scale,
	}
	if b.past != nil {
		r.entry.Files, r.entry.BackTo = b.past.entry.Files, b.past.entry.Number
	}
	for _, s := range plan.Steps {
		switch s.Action.(type) {
		case planner.PullImage, planner.BuildImage:
			r.fetches = true
		}
	}
	r.put()
	return r, plan.Stamped(planner.Stamp{Revision: strconv.Itoa(r.entry.Number), At: now.UTC().Format(time.RFC3339), By: r.entry.By})
}

// changes says whether a plan does more than wait.
func changes(plan planner.Plan) bool {
	for _, s := range plan.Steps {
		switch s.Action.(type) {
		case planner.Await, planner.AwaitService:
		default:
			return true
		}
	}
	return false
}

// next is the number of the next change: after all that are kept here, and after those on the containers, which other
// machines may have made.
func (r *record) next() int {
	last := lastRevision(r.have)
	if r.folder != "" {
		if numbers, err := r.folder.Numbers(); err == nil && len(numbers) > 0 {
			last = max(last, numbers[len(numbers)-1])
		}
	}
	return last + 1
}

func lastRevision(have planner.State) int {
	last := 0
	for _, c := range have.Containers {
		if n, err := strconv.Atoi(c.Labels[planner.LabelRevision]); err == nil {
			last = max(last, n)
		}
	}
	for _, d := range have.Deployed {
		if n, err := strconv.Atoi(d.Labels[planner.LabelRevision]); err == nil {
			last = max(last, n)
		}
	}
	return last
}

// changeLines are what a plan does, a line each, services first; they have no values in them.
func changeLines(plan planner.Plan) []string {
	services, rest := []string{}, []string{}
	for _, i := range plan.Items {
		if i.Verdict == planner.Unchanged {
			continue
		}
		line := itemName(i.Ref)
		if i.Summary != "" {
			line += ": " + i.Summary
		}
		if len(i.Changes) > 0 && i.Ref.Kind == planner.KindService {
			var fields []string
			for _, c := range i.Changes {
				fields = append(fields, strings.TrimPrefix(c.Path, "services."+i.Ref.Name+"."))
			}
			line += " (" + some(fields) + ")"
		}
		if i.Ref.Kind == planner.KindService {
			services = append(services, line)
		} else {
			rest = append(rest, line)
		}
	}
	return append(services, rest...)
}

// put keeps the entry as it is. That it cannot be kept is no reason not to do the change.
func (r *record) put() {
	if r.folder == "" {
		return
	}
	if err := r.folder.Put(r.entry); err != nil {
		r.program.warn(fmt.Sprintf("this change will not be in the history: %v", err))
		r.folder = ""
	}
}

// end notes how it went and, where it went well, what to go back to.
func (r *record) end(ctx context.Context, on observer, err error) {
	if r == nil || r.folder == "" {
		return
	}
	r.entry.Ended = r.program.now()
	switch {
	case err == nil:
		r.entry.Result = history.OK
		err = r.keepModel(ctx, on)
		if err != nil {
			r.program.warn(fmt.Sprintf("this change cannot be gone back to: %v", err))
		}
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		r.entry.Result = history.Interrupted
	default:
		r.entry.Result, r.entry.Problem = history.Failed, firstLine(err.Error())
	}
	r.put()
}

// Of configs so much is kept, in bytes: of one, and of all.
const (
	maxConfig  = 1 << 20
	maxConfigs = 8 << 20
)

// keepModel writes down what the stack is now.
func (r *record) keepModel(ctx context.Context, on observer) error {
	if r.b.past != nil {
		past := r.b.past.entry
		r.entry.Model, r.entry.Images, r.entry.Configs, r.entry.Secrets = past.Model, past.Images, past.Configs, past.Secrets
		return nil
	}
	want := r.b.want
	model, err := want.Marshal("yaml")
	if err != nil {
		return err
	}
	r.entry.Model = string(model)
	r.entry.Secrets, r.entry.Configs = map[string]string{}, map[string]string{}
	for key := range want.Secrets {
		r.entry.Secrets[key] = want.Content["secrets."+key]
	}
	size := 0
	for key := range want.Configs {
		text, ok, err := want.ConfigBytes(key, maxConfig)
		if err != nil || !ok || size+len(text) > maxConfigs {
			continue // its file as it will be then is what going back has to take
		}
		size += len(text)
		r.entry.Configs[key] = text
	}
	have := r.have
	if r.fetches || have.Converges {
		if have, err = on.Observe(ctx, planner.ScopeOf(want)); err != nil {
			return err
		}
	}
	r.entry.Images = imagesOf(want, have)
	return nil
}

// imagesOf are the images of the services, by what their references stand for.
func imagesOf(want *project.Project, have planner.State) map[string]history.Image {
	out := map[string]history.Image{}
	for name, s := range want.Services {
		s.Name = name
		if s.Provider != nil {
			continue
		}
		ref := want.ImageName(s)
		if i := slices.IndexFunc(have.Deployed, func(d planner.Deployed) bool { return d.Service == name }); i >= 0 {
			if digest := have.Deployed[i].Image; strings.Contains(digest, "@") {
				out[name] = history.Image{Reference: ref, Digest: digest}
			}
			continue
		}
		if image := planner.FindImage(have, ref); image != nil {
			out[name] = history.Image{Reference: ref, ID: image.ID, Digest: digestRef(*image, ref)}
		}
	}
	return out
}

// digestRef is an image's reference by digest, in the repository that ref names; empty for what was built here.
func digestRef(image planner.Image, ref string) string {
	sum := localDigest([]planner.Image{image}, ref)
	for _, d := range image.Digests {
		if sum != "" && strings.HasSuffix(d, "@"+sum) {
			return d
		}
	}
	return ""
}
