package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/go-units"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// inlineName is the name of a Dockerfile that does not lie in the context.
const inlineName = ".muster.Dockerfile"

// classicBuild sends the context to the engine's build call.
func (e *Engine) classicBuild(ctx context.Context, service string, r buildkit.Request, report func(runner.Progress)) error {
	if err := classicRefuse(service, r); err != nil {
		return err
	}
	options := classicOptions(r)
	auths, err := e.config.GetAllCredentials()
	if err == nil {
		options.AuthConfigs = map[string]registry.AuthConfig{}
		for host, a := range auths {
			options.AuthConfigs[host] = registry.AuthConfig{
				Username: a.Username, Password: a.Password, Auth: a.Auth, ServerAddress: a.ServerAddress, IdentityToken: a.IdentityToken,
			}
		}
	}
	var body io.Reader
	if buildkit.IsRemote(r.Context) {
		options.RemoteContext = r.Context
	} else {
		archive, name, err := classicContext(ctx, r)
		if err != nil {
			return err
		}
		defer func() { _ = archive.Close() }()
		body, options.Dockerfile = archive, name
	}
	resp, err := e.client.ImageBuild(ctx, body, options)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return readProgress(resp.Body, report)
}

// classicRefuse names what only BuildKit can do.
func classicRefuse(service string, r buildkit.Request) error {
	var out []error
	for _, row := range []struct {
		key  string
		used bool
	}{
		{"additional_contexts", len(r.Contexts) > 0},
		{"cache_to", len(r.CacheTo) > 0},
		{"entitlements", len(r.Entitlement) > 0},
		{"no_cache_filter", len(r.NoCacheOf) > 0},
		{"secrets", len(r.Secrets) > 0},
		{"ssh", len(r.SSH) > 0},
	} {
		if row.used {
			out = append(out, &UnsupportedError{Key: "services." + service + ".build." + row.key, Why: "this engine has no BuildKit, which it needs"})
		}
	}
	return errors.Join(out...)
}

func classicOptions(r buildkit.Request) build.ImageBuildOptions {
	args := map[string]*string{}
	for k, v := range r.Args {
		args[k] = &v
	}
	var hosts []string
	for _, h := range r.Hosts {
		hosts = append(hosts, strings.Replace(h, "=", ":", 1))
	}
	var limits []*container.Ulimit
	for _, text := range r.Ulimits {
		if u, err := units.ParseUlimit(text); err == nil {
			limits = append(limits, u)
		}
	}
	return build.ImageBuildOptions{
		BuildArgs: args, CacheFrom: r.CacheFrom, Dockerfile: r.Dockerfile, ExtraHosts: hosts, Labels: r.Labels,
		NetworkMode: r.Network, NoCache: r.NoCache, Platform: strings.Join(r.Platforms, ","), PullParent: r.Pull, Remove: true,
		ShmSize: r.ShmSize, Tags: r.Tags, Target: r.Target, Ulimits: limits, Version: build.BuilderV1,
	}
}

// classicContext packs the context as .dockerignore says. A Dockerfile from elsewhere is put
// in under a name of its own.
func classicContext(ctx context.Context, r buildkit.Request) (io.ReadCloser, string, error) {
	files, err := fsutil.NewFS(r.Context)
	if err != nil {
		return nil, "", fmt.Errorf("open the build context %s: %w", r.Context, err)
	}
	name := r.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	text := []byte(r.Inline)
	if rel, err := filepath.Rel(r.Context, name); filepath.IsAbs(name) && err == nil && filepath.IsLocal(rel) {
		name = rel
	}
	if r.Inline == "" && !filepath.IsLocal(name) {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.Context, path)
		}
		if text, err = os.ReadFile(path); err != nil {
			return nil, "", fmt.Errorf("read the Dockerfile: %w", err)
		}
	}
	ignored, err := readIgnore(filepath.Join(r.Context, ".dockerignore"))
	if err != nil {
		return nil, "", err
	}
	if len(text) == 0 {
		ignored = append(ignored, "!"+filepath.ToSlash(name))
	}
	if files, err = fsutil.NewFilterFS(files, &fsutil.FilterOpt{ExcludePatterns: ignored}); err != nil {
		return nil, "", fmt.Errorf("read .dockerignore: %w", err)
	}
	if len(text) > 0 {
		name = inlineName
	}
	out, in := io.Pipe()
	go func() { in.CloseWithError(packContext(ctx, in, files, text)) }()
	return out, filepath.ToSlash(name), nil
}

func readIgnore(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return patterns, nil
}

// packContext writes the archive; dockerfile, where there is one, goes first.
func packContext(ctx context.Context, to io.Writer, files fsutil.FS, dockerfile []byte) error {
	if len(dockerfile) > 0 {
		first := tar.NewWriter(to)
		if err := pack(first, tar.Header{Typeflag: tar.TypeReg, Name: inlineName, Mode: 0o600}, dockerfile); err != nil {
			return err
		}
		// Not closed: the rest of the archive follows.
		if err := first.Flush(); err != nil {
			return err
		}
	}
	return fsutil.WriteTar(ctx, files, to)
}
