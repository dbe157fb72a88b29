package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	registry "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// File is a file of a published project.
type File struct {
	// Name is plain, without folders.
	Name string
	Text []byte
	// Extends says that another file names it; the others are merged in their order.
	Extends bool
	// Env says that it holds variables or labels.
	Env bool
}

// Publishing says how a project goes to a registry.
type Publishing struct {
	// Format is the version of the OCI image specification, 1.0 or 1.1; empty is 1.1, or 1.0 where
	// the registry refuses that.
	Format string
	// Images are copied beside the files, each from its registry.
	Images []string
	// Insecure speaks HTTP, or HTTPS whose certificate is not checked.
	Insecure bool
	// Program is who publishes, with its version.
	Program string
}

// versionTitle names the program that made an artifact.
const versionTitle = "com.docker.compose.version"

// Publish writes a project to a place in a registry and gives the digest that it has there.
func Publish(ctx context.Context, to Reference, files []File, how Publishing) (string, error) {
	repository, err := repositoryAt(ctx, to.Location)
	if err != nil {
		return "", err
	}
	if how.Insecure {
		trustAnyone(ctx, repository)
	}
	var layers []ocispec.Descriptor
	for _, f := range files {
		layer := f.layer(how.Program)
		if err := pushOnce(ctx, repository, layer, f.Text); err != nil {
			return "", registryProblem(repository, "written", err)
		}
		layers = append(layers, layer)
	}
	desc, err := pushProject(ctx, repository, layers, how.Format)
	if err == nil {
		err = repository.Tag(ctx, desc, to.Version)
	}
	if err != nil {
		return "", registryProblem(repository, "written", err)
	}
	if len(how.Images) > 0 {
		if err := pushImages(ctx, repository, desc, how); err != nil {
			return "", err
		}
	}
	return desc.Digest.String(), nil
}

// about names the image that something is wrong with, as the place that is published to is not it.
func about(image string, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return &Problem{Text: fmt.Sprintf("lacks the image %s, which %s", image, p.Text), Hint: p.Hint}
	}
	return fmt.Errorf("copy the image %s: %w", image, err)
}

func (f File) layer(program string) ocispec.Descriptor {
	kind, title := fileType, fileTitle
	if f.Env {
		kind, title = envFileType, envFileTitle
	}
	layer := content.NewDescriptorFromBytes(kind, f.Text)
	layer.Annotations = map[string]string{versionTitle: program, title: f.Name}
	if f.Extends {
		layer.Annotations[extendsTitle] = "true"
	}
	return layer
}

// pushOnce pushes what the registry has not.
func pushOnce(ctx context.Context, to *registry.Repository, desc ocispec.Descriptor, data []byte) error {
	there, err := to.Exists(ctx, desc)
	if err != nil || there {
		return err
	}
	if err := to.Push(ctx, desc, bytes.NewReader(data)); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
		return err
	}
	return nil
}

// pushProject pushes the manifest. A registry that knows no artifacts gets one in the form of the older specification, where the
// type of the configuration says what it is (OCI image specification 1.1, "Guidelines for Artifact Usage").
func pushProject(ctx context.Context, to *registry.Repository, layers []ocispec.Descriptor, format string) (ocispec.Descriptor, error) {
	if format != "1.0" {
		desc, err := oras.PackManifest(ctx, to, oras.PackManifestVersion1_1, projectType, oras.PackManifestOptions{Layers: layers})
		var answer *errcode.ErrorResponse
		refused := errors.As(err, &answer) && answer.StatusCode >= 400 && answer.StatusCode < 500 && answer.StatusCode != http.StatusUnauthorized &&
			answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusProxyAuthRequired
		if format != "" || !refused {
			return desc, err
		}
	}
	config := content.NewDescriptorFromBytes(configType, []byte("{}"))
	if err := pushOnce(ctx, to, config, []byte("{}")); err != nil {
		return ocispec.Descriptor{}, err
	}
	return oras.PackManifest(ctx, to, oras.PackManifestVersion1_0, "", oras.PackManifestOptions{Layers: layers, ConfigDescriptor: &config})
}

// pushImages copies images beside the project and lists them in an index that refers to it.
func pushImages(ctx context.Context, to *registry.Repository, project ocispec.Descriptor, how Publishing) error {
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: projectType,
		Manifests: []ocispec.Descriptor{}, Annotations: map[string]string{versionTitle: how.Program},
		Subject: &ocispec.Descriptor{MediaType: project.MediaType, Digest: project.Digest, Size: project.Size},
	}
	for _, image := range how.Images {
		r, err := parseImage(image, image)
		if err != nil {
			return err
		}
		from, err := repositoryAt(ctx, r.Location)
		if err != nil {
			return err
		}
		if how.Insecure && from.Reference.Registry == to.Reference.Registry {
			trustAnyone(ctx, from)
		}
		desc, err := from.Resolve(ctx, r.Version)
		if err == nil {
			err = oras.CopyGraph(ctx, from, to, desc, oras.DefaultCopyGraphOptions) // without a tag: that is the project's
		}
		if err != nil {
			return about(image, registryProblem(from, "copied", err))
		}
		index.Manifests = append(index.Manifests, desc)
	}
	data, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("list the images: %w", err)
	}
	if err := pushOnce(ctx, to, content.NewDescriptorFromBytes(index.MediaType, data), data); err != nil {
		return registryProblem(to, "written", err)
	}
	return nil
}
