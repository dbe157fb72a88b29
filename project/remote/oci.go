package remote

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	registry "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// What docker compose's publish calls an artifact and its layers.
const (
	projectType = "application/vnd.docker.compose.project"
	configType  = "application/vnd.docker.compose.config.empty.v1+json"
	fileType    = "application/vnd.docker.compose.file+yaml"
	envFileType = "application/vnd.docker.compose.envfile"

	// fileTitle names a file that another one extends; the others are merged in their order.
	fileTitle    = "com.docker.compose.file"
	extendsTitle = "com.docker.compose.extends"
	envFileTitle = "com.docker.compose.envfile"
)

// maxManifest bounds a manifest, in bytes, as registries do.
const maxManifest = 4 << 20

// artifact fetches a published project: its manifest, and the files that it lists.
func artifact(ctx context.Context, r Reference, version, _, files string) (string, error) {
	repository, err := repositoryAt(ctx, r.Location)
	if err != nil {
		return "", err
	}
	want := version
	if want == "" {
		want = r.Version
	}
	desc, body, err := repository.Manifests().FetchReference(ctx, want)
	if err != nil {
		return "", registryProblem(repository, "fetched", err)
	}
	defer func() { _ = body.Close() }()
	manifest, err := readManifest(desc, body)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(files, 0o755); err != nil {
		return "", fmt.Errorf("keep a remote file: %w", err)
	}
	in, err := os.OpenRoot(files)
	if err != nil {
		return "", fmt.Errorf("keep a remote file: %w", err)
	}
	defer func() { _ = in.Close() }()
	compose, err := layers(ctx, repository, manifest, in)
	if err != nil {
		return "", err
	}
	return desc.Digest.String(), write(in, "compose.yaml", 0o644, compose)
}

// repositoryAt is a place in a registry, with the login that docker keeps for it.
func repositoryAt(ctx context.Context, location string) (*registry.Repository, error) {
	repository, err := registry.NewRepository(location)
	if err != nil {
		return nil, &Problem{Text: "is no address of an artifact: " + err.Error(), Hint: "write oci://HOST/NAME:TAG"}
	}
	client := &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache()}
	logins, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read docker's logins: %w", err)
	}
	client.Credential = credentials.Credential(logins)
	repository.Client = client
	if isThisMachine(repository.Reference.Registry) {
		trustAnyone(ctx, repository) // as docker does
	}
	return repository, nil
}

// trustAnyone is for registries without a certificate that anybody has signed, or without one at all.
func trustAnyone(ctx context.Context, repository *registry.Repository) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	dialer := tls.Dialer{Config: transport.TLSClientConfig}
	conn, err := dialer.DialContext(ctx, "tcp", withPort(repository.Reference.Host(), "443"))
	if err != nil {
		repository.PlainHTTP = true
		return
	}
	_ = conn.Close()
	if client, ok := repository.Client.(*auth.Client); ok {
		client.Client = &http.Client{Transport: retry.NewTransport(transport)}
	}
}

// withPort is a host with its port, or the usual one.
func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, port)
}

func isThisMachine(registry string) bool {
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = registry
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func readManifest(desc ocispec.Descriptor, body io.Reader) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if desc.Size > maxManifest {
		return m, &Problem{Text: "has a manifest that is too large"}
	}
	data, err := content.ReadAll(body, desc)
	if err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	if m.ArtifactType != projectType && (m.ArtifactType != "" || m.Config.MediaType != configType) {
		kind := m.ArtifactType
		if kind == "" {
			kind = desc.MediaType
		}
		return m, &Problem{Text: "is no Compose project but " + kind, Hint: "projects are made with `muster publish`"}
	}
	return m, nil
}

// layers writes the files of an artifact and joins those that are merged: one YAML document
// each.
func layers(ctx context.Context, repository *registry.Repository, m ocispec.Manifest, in *os.Root) ([]byte, error) {
	var compose []byte
	var total int64
	for _, layer := range m.Layers {
		name := ""
		switch layer.MediaType {
		case fileType:
			if _, extended := layer.Annotations[extendsTitle]; extended {
				name = layer.Annotations[fileTitle]
			}
		case envFileType:
			name = layer.Annotations[envFileTitle]
		default:
			continue // what later versions add
		}
		if total += layer.Size; layer.Size > maxOneFile || total > maxBytes {
			return nil, &Problem{Text: fmt.Sprintf("has a file that is larger than %d MiB", maxOneFile>>20)}
		}
		data, err := blob(ctx, repository, layer)
		if err != nil {
			return nil, err
		}
		if name == "" && layer.MediaType == fileType {
			if len(compose) > 0 {
				compose = append(compose, "\n---\n"...)
			}
			compose = append(compose, data...)
			continue
		}
		if !isFlat(name) {
			return nil, &Problem{Text: fmt.Sprintf("has a file named %q, and they have to be plain names", name)}
		}
		if err := write(in, name, 0o644, data); err != nil {
			return nil, err
		}
	}
	if len(compose) == 0 {
		return nil, &Problem{Text: "has no Compose file in it"}
	}
	return compose, nil
}

// isFlat says whether a name is a file's and no path.
func isFlat(name string) bool {
	return name != "" && name != "." && name != ".." && name != "compose.yaml" && !strings.ContainsAny(name, `/\:`) && filepath.IsLocal(name)
}

func blob(ctx context.Context, repository *registry.Repository, layer ocispec.Descriptor) ([]byte, error) {
	body, err := repository.Blobs().Fetch(ctx, layer)
	if err != nil {
		return nil, registryProblem(repository, "fetched", err)
	}
	defer func() { _ = body.Close() }()
	data, err := content.ReadAll(body, layer) // checks size and digest
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", layer.Digest, err)
	}
	return data, nil
}

// registryProblem puts the registry's words into ours. done is what was to be done with the artifact.
func registryProblem(at *registry.Repository, done string, err error) error {
	var answer *errcode.ErrorResponse
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return &Problem{Text: "has no such version", Hint: "is the name and the tag right?"}
	case errors.Is(err, auth.ErrBasicCredentialNotFound),
		errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return &Problem{Text: "cannot be " + done + ": the registry wants a login", Hint: "log in with `docker login " + at.Reference.Registry + "`"}
	}
	return &Problem{Text: "cannot be " + done + ": " + err.Error()}
}
