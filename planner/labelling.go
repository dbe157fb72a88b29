package planner

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// composeVersion is the version of docker compose whose labels these are: tools
// that read com.docker.compose.version expect one of its numbers.
const composeVersion = "2.40.3"

// containerLabels are the service's own labels with the ecosystem's and
// muster's on top: those identify the container and cannot be overridden.
func (b *builder) containerLabels(s *service, number int, replaces string) map[string]string {
	labels := make(map[string]string, len(s.spec.Labels)+len(s.spec.CustomLabels)+16)
	for k, v := range s.spec.Labels {
		labels[k] = v
	}
	for k, v := range s.spec.CustomLabels {
		labels[k] = v
	}
	labels[LabelProject] = b.want.Name
	labels[LabelService] = s.name
	labels[LabelNumber] = strconv.Itoa(number)
	labels[LabelOneOff] = "False"
	labels[LabelVersion] = composeVersion
	labels[LabelWorkingDir] = b.want.WorkingDir
	labels[LabelConfigFiles] = strings.Join(b.want.Files, ",")
	labels[LabelDependsOn] = dependsOnLabel(s.spec)
	if len(b.want.EnvFiles) > 0 {
		labels[LabelEnvFiles] = strings.Join(b.want.EnvFiles, ",")
	}
	if hash := b.hash(s); hash != "" {
		labels[LabelConfigHash] = hash
	}
	if image := b.image(b.want.ImageName(s.spec)); image != nil {
		labels[LabelImage] = image.ID
	}
	labels[LabelSpec] = s.label(&b.codec)
	b.instanceLabels(labels)
	if content := b.contentLabel(s.spec); content != "" {
		labels[LabelContent] = content
	}
	if replaces != "" {
		labels[LabelReplaces] = replaces
	}
	return labels
}

// hash is docker compose's of a service; empty where it cannot be had.
func (b *builder) hash(s *service) string {
	if s.hash == "" {
		s.hash, _ = project.ServiceHash(b.joinedByID(s.spec))
	}
	return s.hash
}

// instanceLabels adds which copy of the stack something is of, and how long that is needed.
func (b *builder) instanceLabels(labels map[string]string) {
	if b.want.Instance == "" {
		return
	}
	labels[LabelInstance], labels[LabelInstanceOf] = b.want.Instance, b.want.First
	if !b.want.Expires.IsZero() {
		labels[LabelExpires] = b.want.Expires.UTC().Format(time.RFC3339)
	}
}

// networkLabels are those of a network that this project makes.
func (b *builder) networkLabels(key string, n project.Network) map[string]string {
	hash, _ := project.NetworkHash(n)
	spec, err := project.NetworkSpec(n)
	return b.resourceLabels(merged(n.Labels, n.CustomLabels), LabelNetwork, key, hash, spec, err)
}

// volumeLabels are those of a volume that this project makes.
func (b *builder) volumeLabels(key string, v project.Volume) map[string]string {
	hash, _ := project.VolumeHash(v)
	spec, err := project.VolumeSpec(v)
	return b.resourceLabels(merged(v.Labels, v.CustomLabels), LabelVolume, key, hash, spec, err)
}

// resourceLabels adds what a network and a volume have in common to the labels of the file. A spec that
// could not be written is left out: then the hash has to tell of changes.
func (b *builder) resourceLabels(labels map[string]string, kind, key, hash string, spec []byte, err error) map[string]string {
	labels[LabelProject] = b.want.Name
	labels[kind] = key
	labels[LabelVersion] = composeVersion
	labels[LabelConfigHash] = hash
	if err == nil {
		labels[LabelSpec] = b.codec.encode(string(spec))
	}
	b.instanceLabels(labels)
	return labels
}

func merged(maps ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// dependsOnLabel writes depends_on so that stop and down find the order without the file.
func dependsOnLabel(s project.Service) string {
	parts := make([]string, 0, len(s.DependsOn))
	for name, d := range s.DependsOn {
		condition := d.Condition
		if condition == "" {
			condition = project.ConditionStarted
		}
		parts = append(parts, name+":"+condition+":"+strconv.FormatBool(d.Restart))
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

// readDependsOn reads the label back, also in the older form that has names only.
func readDependsOn(label string) map[string]project.ServiceDependency {
	out := map[string]project.ServiceDependency{}
	for _, part := range strings.Split(label, ",") {
		fields := strings.Split(part, ":")
		if fields[0] == "" {
			continue
		}
		d := project.ServiceDependency{Condition: project.ConditionStarted, Required: true}
		if len(fields) > 1 {
			d.Condition = fields[1]
		}
		if len(fields) > 2 {
			d.Restart = fields[2] == "true"
		}
		out[fields[0]] = d
	}
	return out
}

// contentLabel has the digests of the configs and secrets that a service gets, and of what it gets variables from.
func (b *builder) contentLabel(s project.Service) string {
	digests := b.content(s)
	parts := make([]string, 0, len(digests))
	for key, digest := range digests {
		parts = append(parts, key+"="+digest)
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

// content is the digest of each config and secret of a service and of each of its sources, by
// "configs.KEY", "secrets.KEY", "providers.KEY" and "models.KEY".
func (b *builder) content(s project.Service) map[string]string {
	out := map[string]string{}
	for _, u := range b.uses(s) {
		if digest := b.want.Content[u.path]; digest != "" {
			out[u.path] = digest
		}
	}
	for _, key := range b.sources(s) {
		out[key] = b.sourceDigest(key)
	}
	return out
}

// readContent reads [LabelContent] back.
func readContent(label string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(label, ",") {
		if key, digest, ok := strings.Cut(part, "="); ok {
			out[key] = digest
		}
	}
	return out
}
