package project

import "github.com/compose-spec/compose-go/v2/types"

// Parts of the model by the names that other packages use, so that they need not import compose-go.
type (
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
