package planner

import (
	"fmt"
	"slices"
	"sort"

	"github.com/musterhq/muster/project"
)

// builder is one call of Build: what is wanted, what there is, and the plan as it grows.
type builder struct {
	want     *project.Project
	have     index
	how      Policy
	codec    specCodec
	graph    *graph
	settings []setting
	services map[string]*service
	// providers are the chosen services that are run by a program of theirs.
	providers map[string]project.Service
	order     []string // of services, dependencies first
	items     []Item
	units     []*unit
	unitsOf   map[*service][]*unit // by root
	writers   map[string][]string  // services that may write a volume, by its key; nil until somebody asks
	pauses    []pause
	warnings  []string
	problems  Errors

	once         *Once                 // nil for all but [RunOnce]
	ahead        bool                  // images are renewed in the same plan, for show
	imageSteps   map[string]StepID     // by reference
	sourceSteps  map[string]StepID     // by "providers.NAME" and "models.NAME"
	networkSteps map[string]StepID     // by name on the engine
	volumeSteps  map[string]StepID     // by name on the engine
	migrations   map[string]*migration // by name on the engine
	ownVolumes   []string              // keys of those that a service uses and that are the project's to make, sorted
	differing    map[string][]Change   // of volumes, by key, as far as anybody has asked
	halted       map[string]StepID     // stops the containers of which a migration changes a volume, by name
	adjusted     StepID                // makes the volume that remembers changes in place
	before       map[string][]StepID   // steps on a container that all others of it follow

	// Of engines that keep services by themselves.
	deployments map[string]*deployment
	pushSteps   map[string]StepID // by reference
	gone        map[string]StepID // removes a service, by name on the engine
}

// Build plans the way from have to want.
//
// The error is [Errors] where the engine lacks what the file counts on or the
// policy asks for what cannot be; nothing is planned then.
func Build(want *project.Project, have State, how Policy) (Plan, error) {
	return newBuilder(want, have, how).build()
}

// Preview is Build for those who only look: it has the steps of [Images] too, and says of services that
// nothing else changes that they are replaced if the new image turns out to differ.
func Preview(want *project.Project, have State, how Policy) (Plan, error) {
	b := newBuilder(want, have, how)
	b.ahead = true
	return b.build()
}

// build plans for all services or, with once, for one container beside those of its service, whose volumes are left as they are.
func (b *builder) build() (Plan, error) {
	b.choose()
	b.checkExternals()
	if b.have.converges {
		b.deploy()
		return b.finish()
	}
	b.findOwnVolumes()
	if b.once == nil {
		b.findMigrations()
	}
	if len(b.problems) == 0 {
		b.lay()
	}
	return b.finish()
}

// lay writes the steps.
func (b *builder) lay() {
	names := b.order
	if b.once != nil {
		s := b.services[b.once.Service.Name]
		if s == nil {
			return // it is no container
		}
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == s.name })
		b.provide(s)
	}
	for _, name := range names {
		b.decide(b.services[name])
	}
	b.rerunJobs()
	b.restartDependents()
	b.formUnits()
	if b.ahead {
		b.refreshImages()
	}
	b.planImages()
	b.items = slices.Grow(b.items, len(names)+len(b.ownVolumes)) // and some networks and images
	b.graph.expect(b.usualSteps(names))
	b.planNetworks()
	b.planVolumes()
	for _, name := range names {
		b.emit(b.services[name])
	}
	b.waitForAll()
	b.emitOnce()
	b.loneProviders()
	b.planOrphans()
	b.dropFiles()
	b.forgetAdjusted()
	b.imageItems()
	b.seal()
	b.yieldPorts()
	b.yieldNames()
}

// usualSteps is how many steps the containers of services take, without hooks and waits of others.
func (b *builder) usualSteps(names []string) int {
	n := 0
	for _, name := range names {
		for _, r := range b.services[name].replicas {
			switch r.verb {
			case create:
				n += 2 // create, start
			case replace:
				n += 6 // create, stop, start, await, remove, rename
			}
		}
	}
	return n
}

func newBuilder(want *project.Project, have State, how Policy) *builder {
	return &builder{
		want: withHookResources(want), have: newIndex(have), how: how, graph: newGraph(), settings: settingTable(),
		services:     map[string]*service{},
		providers:    map[string]project.Service{},
		sourceSteps:  map[string]StepID{},
		imageSteps:   map[string]StepID{},
		networkSteps: map[string]StepID{},
		volumeSteps:  map[string]StepID{},
		migrations:   map[string]*migration{},
		differing:    make(map[string][]Change, len(have.Volumes)),
		halted:       map[string]StepID{},
		before:       map[string][]StepID{},
		pushSteps:    map[string]StepID{},
		gone:         map[string]StepID{},
	}
}

// finish puts the plan together.
func (b *builder) finish() (Plan, error) {
	if len(b.problems) > 0 {
		sort.SliceStable(b.problems, func(i, j int) bool {
			x, y := b.problems[i], b.problems[j]
			if x.Ref.Kind != y.Ref.Kind {
				return x.Ref.Kind < y.Ref.Kind
			}
			return x.Ref.Name < y.Ref.Name
		})
		return Plan{}, b.problems
	}
	steps, err := b.graph.ordered()
	if err != nil {
		return Plan{}, err
	}
	sort.SliceStable(b.items, func(i, j int) bool {
		x, y := b.items[i].Ref, b.items[j].Ref
		if x.Kind != y.Kind {
			return x.Kind < y.Kind
		}
		return x.Name < y.Name
	})
	return Plan{Project: b.want.Name, Steps: steps, Items: b.items, Warnings: b.warnings, Rollouts: b.rollouts()}, nil
}

func (b *builder) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.warnings, text) {
		b.warnings = append(b.warnings, text)
	}
}

// hashes are the config hashes that a container of s may carry. Shared
// namespaces are hashed as the container IDs that they lead to, as docker compose does.
func (b *builder) hashes(s *service) []string {
	hashes, err := project.ServiceHashes(b.joinedByID(s.spec))
	if err != nil {
		return nil
	}
	return hashes
}

// joinedByID replaces references to services by the IDs of the containers that they lead to now.
func (b *builder) joinedByID(s project.Service) project.Service {
	return resolved(s, func(name string) string {
		if list := b.have.services[name]; len(list) > 0 {
			return list[0].ID
		}
		return ""
	})
}

// image is the local image that a reference stands for; nil where there is none.
func (b *builder) image(ref string) *Image { return b.have.images[familiar(ref)] }
