package project

import (
	"context"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// model is what compose-go makes of the files.
type model struct {
	dict    map[string]any // merged, in long forms, before it is bound to types
	project *types.Project // nil with NoInterpolate, whose values fit no types
}

// compose loads documents with compose-go. Its own consistency checks stop at
// the first finding and have no place, so they are off; check.go has them all.
func (l *loading) compose(ctx context.Context, docs []*document) (m *model, err error) {
	// compose-go logs what it warns about to logrus' global logger. We say the
	// same with a place, and a library prints nothing.
	logrus.SetLevel(logrus.ErrorLevel)
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{value: r}
		}
	}()
	details := types.ConfigDetails{WorkingDir: l.where.dir, Environment: l.where.env.Clone()}
	if l.o.NoInterpolate {
		// compose-go replaces bare variables, and puts the text of secrets in, whether it interpolates or not.
		details.Environment = types.Mapping{}
	}
	for _, d := range docs {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: d.file, Content: d.content, Config: d.tree})
	}
	opts := loader.ToOptions(&details, []func(*loader.Options){l.configure})
	dict, err := loader.LoadModelWithContext(ctx, details, l.configure)
	if err != nil {
		return nil, err
	}
	m = &model{dict: dict}
	if l.o.NoInterpolate {
		return m, nil
	}
	// LoadModelWithContext sets this on its own copy of the map's owner.
	details.Environment["COMPOSE_PROJECT_NAME"] = l.name
	m.project, err = loader.ModelToProject(dict, opts, details)
	if err != nil {
		return nil, err
	}
	m.project.ComposeFiles = l.where.files
	return m, nil
}

func (l *loading) configure(o *loader.Options) {
	o.SetProjectName(l.name, true)
	o.ResourceLoaders = append(o.ResourceLoaders, resourceLoader{l})
	o.Profiles = l.where.profiles
	o.SkipConsistencyCheck = true
	o.SkipValidation = l.lenient
	o.SkipInterpolation = l.o.NoInterpolate
	o.SkipNormalization = l.o.NoNormalize
	o.ResolvePaths = !l.o.NoPathResolution
	// Which services' files have to be there is known after the checks.
	o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
	o.ConvertWindowsPaths = o.ResolvePaths && truth(l.where.env["COMPOSE_CONVERT_WINDOWS_PATHS"])
	if o.Interpolate != nil {
		o.Interpolate = &interpolation.Options{
			Substitute:      l.substitute,
			LookupValue:     o.Interpolate.LookupValue,
			TypeCastMapping: o.Interpolate.TypeCastMapping,
		}
	}
}

// substitute replaces variables. Most text has none, which is quickly seen, and saves
// what the regular expression costs for it.
func (l *loading) substitute(text string, lookup template.Mapping) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	if !l.unset {
		l.unset = len(unsetVariables(text, lookup)) > 0
	}
	return template.SubstituteWithOptions(text, lookup, template.WithoutLogging)
}

// panicked is a crash inside compose-go, which a user may report but not mend.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("compose-go crashed: %v", p.value) }
