package swarm

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// container is what each of the service's containers is like: one line a key.
func (w *writer) container() *swarm.ContainerSpec {
	s := w.service
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = types.Labels{}
	}
	labels[labelStack] = w.action.Project
	added, dropped := capabilities(s.CapAdd, s.CapDrop)
	return &swarm.ContainerSpec{
		Image:           w.action.Image,
		Labels:          labels,
		Command:         s.Entrypoint,
		Args:            s.Command,
		Hostname:        s.Hostname,
		Env:             docker.Environment(s.Environment, nil),
		Dir:             s.WorkingDir,
		User:            s.User,
		Groups:          s.GroupAdd,
		Privileges:      w.privileges(),
		Init:            s.Init,
		StopSignal:      s.StopSignal,
		TTY:             s.Tty,
		OpenStdin:       s.StdinOpen,
		ReadOnly:        s.ReadOnly,
		Mounts:          w.mounts(),
		StopGracePeriod: pointer(s.StopGracePeriod),
		Healthcheck:     docker.HealthConfig(s.HealthCheck),
		Hosts:           hosts(s.ExtraHosts),
		DNSConfig:       dns(s),
		Secrets:         w.secrets(),
		Configs:         w.configs(),
		Isolation:       container.Isolation(s.Isolation),
		Sysctls:         s.Sysctls,
		CapabilityAdd:   added,
		CapabilityDrop:  dropped,
		Ulimits:         docker.Ulimits(s.Ulimits),
		OomScoreAdj:     s.OomScoreAdj,
	}
}

// hosts are lines of /etc/hosts, sorted.
func hosts(declared types.HostsList) []string {
	var out []string
	for name, addresses := range declared {
		for _, address := range addresses {
			out = append(out, address+" "+name)
		}
	}
	slices.Sort(out)
	return out
}

func dns(s types.ServiceConfig) *swarm.DNSConfig {
	if len(s.DNS)+len(s.DNSSearch)+len(s.DNSOpts) == 0 {
		return nil
	}
	return &swarm.DNSConfig{Nameservers: s.DNS, Search: s.DNSSearch, Options: s.DNSOpts}
}

// capabilities are written as docker does, in capitals, with their prefix, sorted: a service would differ from itself otherwise.
// What is added is not dropped, and ALL stands for all.
func capabilities(add, drop []string) (added, dropped []string) {
	const all = "ALL"
	normal := func(list []string) []string {
		var out []string
		for _, c := range list {
			c = strings.ToUpper(strings.TrimSpace(c))
			if c != all && !strings.HasPrefix(c, "CAP_") {
				c = "CAP_" + c
			}
			out = append(out, c)
		}
		if slices.Contains(out, all) {
			return []string{all}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	added = normal(add)
	for _, c := range normal(drop) {
		if !slices.Contains(added, c) {
			dropped = append(dropped, c)
		}
	}
	return added, dropped
}

// privileges are what security_opt and credential_spec ask for.
func (w *writer) privileges() *swarm.Privileges {
	out := &swarm.Privileges{}
	if c := w.service.CredentialSpec; c != nil && (c.Config != "" || c.File != "" || c.Registry != "") {
		out.CredentialSpec = &swarm.CredentialSpec{File: c.File, Registry: c.Registry}
		if c.Config != "" {
			out.CredentialSpec.Config = w.refs[objectName{planner.KindConfig, w.object("configs", c.Config)}]
		}
	}
	for _, option := range w.service.SecurityOpt {
		_ = w.secure(out, option) // what cannot be done is refused before, see Check
	}
	return out
}

// errOption is a security option that Swarm has nothing for.
var errOption = errors.New("Swarm has nothing for it") //nolint:revive,staticcheck // a name

// secure adds one security option.
func (w *writer) secure(p *swarm.Privileges, option string) error {
	name, value, found := strings.Cut(option, "=")
	if !found {
		name, value, found = strings.Cut(option, ":")
	}
	switch {
	case name == "no-new-privileges" && (!found || value == "true"):
		p.NoNewPrivileges = true
	case name == "no-new-privileges" && value == "false":
	case name == "seccomp" && value == "unconfined":
		p.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompModeUnconfined}
	case name == "seccomp" && value == "builtin":
		p.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompModeDefault}
	case name == "seccomp":
		text, err := docker.SeccompProfile("services."+w.action.Service+".security_opt", value, w.action.Labels[planner.LabelWorkingDir])
		if err != nil {
			return err
		}
		p.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompModeCustom, Profile: []byte(text)}
	case name == "apparmor" && value == "unconfined":
		p.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDisabled}
	case name == "apparmor" && value == "docker-default":
		p.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDefault}
	case name == "label":
		return label(p, value)
	default:
		return errOption
	}
	return nil
}

// label adds one option of SELinux.
func label(p *swarm.Privileges, option string) error {
	if p.SELinuxContext == nil {
		p.SELinuxContext = &swarm.SELinuxContext{}
	}
	part, value, found := strings.Cut(option, ":")
	switch {
	case option == "disable":
		p.SELinuxContext.Disable = true
	case found && part == "user":
		p.SELinuxContext.User = value
	case found && part == "role":
		p.SELinuxContext.Role = value
	case found && part == "type":
		p.SELinuxContext.Type = value
	case found && part == "level":
		p.SELinuxContext.Level = value
	default:
		return errOption
	}
	return nil
}

// object is the name of a config or a secret on the engine.
func (w *writer) object(kind, key string) string { return cmp.Or(w.action.Objects[kind+"."+key], key) }

// readable is the mode of a config or a secret that declares none.
const readable os.FileMode = 0o444

// file is where a config or a secret comes to be.
func file(f types.FileReferenceConfig) (name, uid, gid string, mode os.FileMode) {
	mode = readable
	if f.Mode != nil {
		mode = os.FileMode(*f.Mode) //nolint:gosec // permission bits
	}
	return cmp.Or(f.Target, f.Source), cmp.Or(f.UID, "0"), cmp.Or(f.GID, "0"), mode
}

// configs are the service's, sorted by name: one that a credential spec is in is not a file.
func (w *writer) configs() []*swarm.ConfigReference {
	out := make([]*swarm.ConfigReference, 0, len(w.service.Configs))
	for _, c := range w.service.Configs {
		name, uid, gid, mode := file(types.FileReferenceConfig(c))
		object := w.object("configs", c.Source)
		out = append(out, &swarm.ConfigReference{
			ConfigID: w.refs[objectName{planner.KindConfig, object}], ConfigName: object,
			File: &swarm.ConfigReferenceFileTarget{Name: name, UID: uid, GID: gid, Mode: mode},
		})
	}
	if c := w.service.CredentialSpec; c != nil && c.Config != "" {
		object := w.object("configs", c.Config)
		out = append(out, &swarm.ConfigReference{
			ConfigID: w.refs[objectName{planner.KindConfig, object}], ConfigName: object, Runtime: &swarm.ConfigReferenceRuntimeTarget{},
		})
	}
	slices.SortStableFunc(out, func(a, b *swarm.ConfigReference) int { return strings.Compare(a.ConfigName, b.ConfigName) })
	return out
}

// secretsFolder is where secrets are that name no other folder.
const secretsFolder = "/run/secrets/"

func (w *writer) secrets() []*swarm.SecretReference {
	out := make([]*swarm.SecretReference, 0, len(w.service.Secrets))
	for _, s := range w.service.Secrets {
		name, uid, gid, mode := file(types.FileReferenceConfig(s))
		name = strings.TrimPrefix(name, secretsFolder) // as it is written to begin with, more often than not
		object := w.object("secrets", s.Source)
		out = append(out, &swarm.SecretReference{
			SecretID: w.refs[objectName{planner.KindSecret, object}], SecretName: object,
			File: &swarm.SecretReferenceFileTarget{Name: name, UID: uid, GID: gid, Mode: mode},
		})
	}
	slices.SortStableFunc(out, func(a, b *swarm.SecretReference) int { return strings.Compare(a.SecretName, b.SecretName) })
	return out
}
