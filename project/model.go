package project

import (
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// The Compose model is compose-go's own and is carried through unchanged: a second model would have to be kept in
// step with the specification by hand. These are its parts by the names that other packages use, so that they need not
// import compose-go.
type (
	// Service is one entry of the top-level services.
	Service = types.ServiceConfig
	// Network is one entry of the top-level networks.
	Network = types.NetworkConfig
	// Volume is one entry of the top-level volumes.
	Volume = types.VolumeConfig
	// Config is one entry of the top-level configs.
	Config = types.ConfigObjConfig
	// Secret is one entry of the top-level secrets.
	Secret = types.SecretConfig
	// ServiceHook is one command of post_start or pre_stop.
	ServiceHook = types.ServiceHook
	// ServiceNetwork is what a service says about one of its networks.
	ServiceNetwork = types.ServiceNetworkConfig
	// PreStartHook is a hook that runs in a container of its own before the service starts.
	PreStartHook = types.PreStartHook
	// Provider says what program runs a service that is no container.
	Provider = types.ServiceProviderConfig
	// ModelConfig is one entry of the top-level models.
	ModelConfig = types.ModelConfig
	// Environment has variables by name; nil stands for one without a value.
	Environment = types.MappingWithEquals
	// ServicePort is one published port.
	ServicePort = types.ServicePortConfig
	// ServiceVolume is one mount of a service.
	ServiceVolume = types.ServiceVolumeConfig
	// FileReference is a service's use of a config or a secret.
	FileReference = types.FileReferenceConfig
	// FileObject is a config or a secret as the files define it.
	FileObject = types.FileObjectConfig
	// ServiceDependency is one entry of depends_on.
	ServiceDependency = types.ServiceDependency
	// UpdateConfig says how the replicas of a service are replaced.
	UpdateConfig = types.UpdateConfig
)

// The conditions of depends_on.
const (
	ConditionStarted   = types.ServiceConditionStarted
	ConditionHealthy   = types.ServiceConditionHealthy
	ConditionCompleted = types.ServiceConditionCompletedSuccessfully
)

// The pull policies.
const (
	PullAlways  = types.PullPolicyAlways
	PullNever   = types.PullPolicyNever
	PullMissing = types.PullPolicyMissing
	PullBuild   = types.PullPolicyBuild
	PullRefresh = types.PullPolicyRefresh
)

// PullPolicy is what a service says about pulling its image, in full: daily, weekly and every_N are [PullRefresh] with
// the time after which it is due, as is pull_refresh_after. A time of 0 is due at every turn.
func PullPolicy(s Service) (policy string, every time.Duration, err error) {
	if s.PullPolicy == PullRefresh && s.PullRefreshAfter != "" {
		s.PullPolicy = "every_" + s.PullRefreshAfter
	}
	return s.GetPullPolicy()
}
