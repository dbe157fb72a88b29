package planner

import (
	"cmp"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// deployment is one service on its way to an engine that keeps services by itself.
type deployment struct {
	*service
	as      string // its name on the engine
	mode    Mode
	have    *Deployed // nil where it is new
	changes []Change
	// objects are the names of its configs and secrets, by "configs.KEY" and "secrets.KEY".
	objects map[string]string

	resolve string // see [ApplyService.Resolve]
	digest  string // what its image stands for in its registry; empty where that was not looked up
	open    bool   // whether its image is another one shows only when it is applied
	again   bool   // to be applied although nothing differs
	apply   StepID // empty where nothing changes
	removed StepID // it is taken away first; empty where it is changed as it is
	awaits  map[Condition]StepID
}

// deploy plans for an engine that keeps services by itself: networks, configs and secrets first, then the services, each
// after what it depends on. Every service that is changed is waited for, since only then is known whether it works.
func (b *builder) deploy() {
	b.deployments = map[string]*deployment{}
	for _, name := range b.order {
		b.deployments[name] = b.deploymentOf(b.services[name])
	}
	b.deployImages()
	b.resolveImages()
	b.planNetworks()
	b.createObjects()
	for _, name := range b.order {
		b.deployService(b.deployments[name])
	}
	b.deployOrphans()
	b.dropObjects()
	b.imageItems()
}

// deploymentOf compares a service with what the engine keeps of it.
func (b *builder) deploymentOf(s *service) *deployment {
	s.job = s.job || b.awaitedToEnd(s.name)
	d := &deployment{service: s, as: serviceName(b.want, s.name), mode: modeOf(s), have: b.have.deployed[s.name], awaits: map[Condition]StepID{}}
	d.objects = b.objectNames(s.spec)
	s.fresh = d.have == nil
	if s.ready != nil {
		b.warn("%s: x-muster.ready is not asked, since its containers may run on machines that cannot be reached from here; a healthcheck is", s.name)
	}
	for _, p := range s.parents {
		b.fail(s.ref(), "give it a network of its own and reach the other one by its name",
			"%s: %s of service %s cannot be shared, since their containers may run on different machines", s.name, p.field, p.to.name)
	}
	if d.have == nil {
		return d
	}
	if b.how.Recreate != RecreateNever {
		d.changes = b.deployedChanges(d)
	}
	return d
}

// awaitedToEnd says whether any service of the files waits for the end of this one, also one that is not brought up now: the mode of a
// service must not depend on what else is.
func (b *builder) awaitedToEnd(name string) bool {
	if b.want.Model == nil {
		return false
	}
	for _, all := range []map[string]project.Service{b.want.Model.Services, b.want.Model.DisabledServices} {
		for _, s := range all {
			if s.DependsOn[name].Condition == project.ConditionCompleted {
				return true
			}
		}
	}
	return false
}

// serviceName is the name of a service on an engine that keeps services.
func serviceName(p *project.Project, key string) string { return p.Name + "_" + key }

// modeOf is how the containers of a service are spread. What others wait for to be completed is a job.
func modeOf(s *service) Mode {
	mode := Replicated
	if s.spec.Deploy != nil && s.spec.Deploy.Mode != "" {
		mode = Mode(s.spec.Deploy.Mode)
	}
	if s.job {
		switch mode {
		case Replicated:
			return ReplicatedJob
		case Global:
			return GlobalJob
		}
	}
	return mode
}

// deployService adds the steps of one service.
func (b *builder) deployService(d *deployment) {
	item := Item{Ref: d.ref(), Verdict: Unchanged, Changes: d.changes, Impact: d.impact(), Containers: d.scale}
	if d.mode.Everywhere() {
		item.Containers = b.have.ready
	}
	var needs []StepID
	if d.have == nil || len(d.changes) > 0 {
		needs, item.After = b.deployAfter(d)
		b.applyService(d, needs)
	}
	b.awaitService(d, d.goal()) // also where an earlier run has not come so far
	switch {
	case d.have == nil:
		item.Verdict, item.Summary = Create, "new service, "+d.size()
	case len(d.changes) > 0:
		item.Verdict = Modify
		if !slices.ContainsFunc(d.changes, func(c Change) bool { return !c.Drift }) {
			item.Verdict = Mend
		}
		item.Summary = b.changing(d)
	}
	b.items = append(b.items, item)
}

// size is how many containers it has, in words.
func (d *deployment) size() string {
	switch {
	case d.mode == ReplicatedJob && d.scale == 1:
		return "a job"
	case d.mode == ReplicatedJob:
		return "a job, " + plural(d.scale, "run")
	case d.mode == GlobalJob:
		return "a job on each node"
	case d.mode == Global:
		return "one replica on each node"
	}
	return plural(d.scale, "replica")
}

// changing says what becomes of a service that differs.
func (b *builder) changing(d *deployment) string {
	var parts []string
	if c := d.path("deploy.replicas"); mentions(d.changes, c) {
		parts = append(parts, scaleText(d.have.Replicas, d.scale))
	}
	switch {
	case d.mode != d.have.Mode:
		parts = append(parts, "remove and create, as the mode of a service cannot be changed")
	case d.removed != "":
		parts = append(parts, "remove and create, as its network is made anew")
	case d.impact() == Replace && d.mode.Job():
		parts = append(parts, "run again")
	case d.impact() == Replace:
		parts = append(parts, "replace "+b.paceText(d))
	case d.open && len(d.changes) == 1:
		parts = append(parts, "replace, if the image differs")
	case len(parts) == 0:
		parts = append(parts, "in place")
	}
	return strings.Join(parts, "; ")
}

// paceText is how its containers are replaced, which the engine does as update_config says.
func (b *builder) paceText(d *deployment) string {
	pace, n := b.updatePace(d.service), d.have.Replicas
	order := ", " + string(pace.Order)
	switch {
	case n <= 1:
		return "1 of 1" + order
	case pace.Parallelism == 0 || pace.Parallelism >= n:
		return "all " + count(n) + " at once" + order
	}
	return plural(n, "replica") + ", " + pace.text(n) + order
}

// goal is what a service has to come to.
func (d *deployment) goal() Condition {
	if d.mode.Job() {
		return IsCompleted
	}
	return IsReady
}

// deployAfter are the steps that come before a service, and the waits among them in words.
func (b *builder) deployAfter(d *deployment) (needs []StepID, after []string) {
	for _, key := range networkKeys(d.spec) {
		needs = append(needs, b.networkSteps[b.network(key)])
	}
	for _, u := range b.uses(d.spec) {
		needs = append(needs, creates(u.kind, d.objects[u.path]))
	}
	needs = append(needs, b.imageSteps[b.want.ImageName(d.spec)], b.pushSteps[b.want.ImageName(d.spec)])
	for _, e := range d.edges {
		to := b.deployments[e.to.name]
		condition := deployedCondition(e.condition)
		switch {
		case condition == IsRunning:
			needs = append(needs, to.apply)
			continue
		case to.apply == "" && to.met(condition):
			continue
		case e.optional || e.timeout > 0:
			wait := AwaitService{Name: to.as, Service: to.name, Condition: condition, Timeout: shorter(b.how.WaitTimeout, e.timeout), For: d.name, Optional: e.optional}
			needs = append(needs, b.graph.add(Step{Action: wait, Needs: []StepID{to.apply}, Because: []Change{{Path: d.path("depends_on." + to.name), To: e.condition}}}))
		default:
			needs = append(needs, b.awaitService(to, condition))
		}
		after = append(after, to.name+" "+strings.TrimPrefix(shortCondition(e.condition), "service_"))
	}
	return needs, after
}

// deployedCondition is what a dependent waits for. An engine that checks health itself counts only what is healthy as running.
func deployedCondition(condition string) Condition {
	switch condition {
	case project.ConditionCompleted:
		return IsCompleted
	case project.ConditionHealthy:
		return IsReady
	}
	return IsRunning
}

// met says whether the engine has a service as it is awaited already.
func (d *deployment) met(condition Condition) bool {
	switch {
	case d.have == nil, d.have.Update == Updating, d.have.Update == RollingBack:
		return false
	case condition == IsCompleted:
		return d.have.Completed >= d.have.Replicas
	}
	return d.have.Running >= d.have.Replicas
}

// awaitService adds the wait for a service, once for each condition, unless it is met already.
func (b *builder) awaitService(d *deployment, condition Condition) StepID {
	if d.apply == "" && d.met(condition) {
		return ""
	}
	if id, ok := d.awaits[condition]; ok {
		return id
	}
	var needs []StepID
	if d.apply != "" {
		needs = []StepID{d.apply}
	}
	id := b.graph.add(Step{
		Action: AwaitService{Name: d.as, Service: d.name, Condition: condition, Timeout: b.how.WaitTimeout},
		Needs:  needs, Because: b.awaitedBy(d, condition),
	})
	d.awaits[condition] = id
	return id
}

// awaitedBy says why a service is waited for.
func (b *builder) awaitedBy(d *deployment, condition Condition) []Change {
	for _, of := range d.dependents {
		if deployedCondition(of.condition) == condition {
			return b.waiters(d.service, awaited(of.condition))
		}
	}
	if d.apply != "" {
		return []Change{{Path: d.path("ready"), To: "changed, so that it has to show that it works"}}
	}
	return b.waiters(d.service, IsReady)
}

// applyService adds the step that makes a service what it shall be.
func (b *builder) applyService(d *deployment, needs []StepID) {
	because, impact := d.changes, d.impact()
	if d.have == nil {
		because = []Change{{Path: d.path("deploy.replicas"), To: d.size()}}
	} else if d.have.Mode != d.mode && d.removed == "" {
		d.removed = b.graph.add(Step{
			Action: RemoveService{Name: d.have.Name, Service: d.name}, Needs: slices.Clone(needs), Because: because, Impact: Replace,
		})
	}
	needs = append(needs, d.removed)
	a := ApplyService{
		Project: b.want.Name, Name: d.as, Service: d.name, Mode: d.mode, Replicas: d.scale, Spec: d.spec, Image: b.want.ImageName(d.spec),
		Labels: b.serviceLabels(d), Objects: d.objects, Again: d.forced || d.again, Resolve: cmp.Or(d.resolve, b.how.Resolve), Digest: d.digest,
	}
	a.Networks, a.Volumes = b.resourceNames(d.spec)
	if len(a.Volumes) > 0 {
		a.Definitions = map[string]project.Volume{}
	}
	for key := range a.Volumes {
		a.Definitions[key] = b.want.Volumes[key]
	}
	d.apply = b.graph.add(Step{Action: a, Needs: needs, Because: because, Impact: impact})
}

// serviceLabels are those that a service gets itself, beside those of its containers.
func (b *builder) serviceLabels(d *deployment) map[string]string {
	labels := map[string]string{}
	if d.spec.Deploy != nil {
		labels = merged(d.spec.Deploy.Labels)
	}
	labels[LabelSpec] = d.label(&b.codec)
	labels[LabelDependsOn] = dependsOnLabel(d.spec)
	if content := b.contentLabel(d.spec); content != "" {
		labels[LabelContent] = content
	}
	labels[LabelWorkingDir] = b.want.WorkingDir
	labels[LabelConfigFiles] = strings.Join(b.want.Files, ",")
	b.instanceLabels(labels)
	return labels
}

// deployOrphans deals with services that the files no longer have.
func (b *builder) deployOrphans() {
	for _, key := range keys(b.have.deployed) {
		have := b.have.deployed[key]
		if b.knows(key) {
			continue
		}
		if !b.how.RemoveOrphans {
			if !b.how.IgnoreOrphans {
				b.warn("service %s is none of the file (orphan); remove with `muster up --remove-orphans`", have.Name)
			}
			continue
		}
		if b.gone[have.Name] == "" {
			b.gone[have.Name] = b.removeOrphan(have)
		}
		b.items = append(b.items, Item{Ref: Ref{Kind: KindService, Name: key}, Verdict: Remove, Summary: "orphan, remove", Impact: Replace})
	}
}

func (b *builder) removeOrphan(have *Deployed) StepID {
	return b.graph.add(Step{
		Action: RemoveService{Name: have.Name, Service: have.Service}, Because: []Change{{Path: "services." + have.Service, From: "orphan"}}, Impact: Replace,
	})
}

// ends are the steps after which nothing of before a change of a service is left.
func (d *deployment) ends() []StepID {
	var out []StepID
	for _, condition := range []Condition{IsReady, IsCompleted} {
		if id := d.awaits[condition]; id != "" {
			out = append(out, id)
		}
	}
	if len(out) == 0 && d.apply != "" {
		out = append(out, d.apply)
	}
	return out
}
