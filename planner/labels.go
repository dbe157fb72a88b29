package planner

import "strings"

// The labels that the ecosystem reads (docker compose, Docker Desktop,
// Portainer, lazydocker, Traefik); muster writes them as docker compose does.
const (
	LabelProject     = "com.docker.compose.project"
	LabelService     = "com.docker.compose.service"
	LabelNumber      = "com.docker.compose.container-number"
	LabelOneOff      = "com.docker.compose.oneoff" // "True" or "False"
	LabelConfigHash  = "com.docker.compose.config-hash"
	LabelVersion     = "com.docker.compose.version"
	LabelWorkingDir  = "com.docker.compose.project.working_dir"
	LabelConfigFiles = "com.docker.compose.project.config_files"
	LabelEnvFiles    = "com.docker.compose.project.environment_file"
	LabelDependsOn   = "com.docker.compose.depends_on" // "db:service_healthy:false,…", sorted
	LabelImage       = "com.docker.compose.image"
	LabelNetwork     = "com.docker.compose.network"
	LabelVolume      = "com.docker.compose.volume"
)

// muster's own labels.
const (
	// LabelSpec is the applied service, canonical JSON, deflated, base64: the
	// left side of the field diff. On networks and volumes too.
	LabelSpec = "dev.muster.spec"
	// LabelContent has the digests of the configs and secrets that went
	// in, and of the providers and models that it has variables from, "configs.KEY=sha256:…" joined by commas, sorted.
	LabelContent = "dev.muster.content"
	// LabelInputs, on an image, has what it was built from; see [Inputs].
	LabelInputs = "dev.muster.inputs"
	// LabelReplaces is the name of the container that this one is about to succeed.
	LabelReplaces = "dev.muster.replaces"
	// LabelAdjusted marks the volume that says of a project that containers of it are set otherwise
	// than their labels tell; see [Policy.Thorough].
	LabelAdjusted = "dev.muster.adjusted"
	// LabelFiles marks a volume that has the configs and secrets of one container; see dropFiles.
	LabelFiles = "dev.muster.files"
	// LabelRevision, LabelAt and LabelBy say which change has made a container: its number, when it began (RFC 3339)
	// and who it was (user@host).
	LabelRevision = "dev.muster.revision"
	LabelAt       = "dev.muster.at"
	LabelBy       = "dev.muster.by"
	// LabelKept, on the volume that says that another one is being carried over, names the copy of its data. LabelKeptFrom,
	// on that copy, names the volume that it is of, and LabelFilled, on a volume, the copy that it was filled from.
	// LabelAnonymous, on the first, has the anonymous volumes of the containers that have to go meanwhile.
	LabelKept      = "dev.muster.kept"
	LabelKeptFrom  = "dev.muster.kept-from"
	LabelFilled    = "dev.muster.filled"
	LabelAnonymous = "dev.muster.anonymous"
	// LabelInstance is the name of the copy of the stack that a container belongs to, and LabelInstanceOf the project of the first copy.
	LabelInstance   = "dev.muster.instance"
	LabelInstanceOf = "dev.muster.instance-of"
	// LabelExpires is the time (RFC 3339) from which on anybody may remove the instance. On networks and volumes too, with the two before it.
	LabelExpires = "dev.muster.expires"
	// LabelHook says which hook a container was made for, as "pre_start 1".
	LabelHook = "dev.muster.hook"
)

// OwnLabel says whether a label is one of those that muster and docker compose write for themselves, and not the user's.
func OwnLabel(key string) bool {
	return strings.HasPrefix(key, "com.docker.compose.") || strings.HasPrefix(key, "dev.muster.")
}
