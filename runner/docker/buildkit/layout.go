package buildkit

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
)

// Layout is an image in a folder of this machine.
type Layout struct{ Dir, Digest string }

// ReadLayout unpacks an archive of one image, as engines from API 1.44 on give them, into an empty folder.
func ReadLayout(archive io.Reader, dir string) (Layout, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Layout{}, err
	}
	defer func() { _ = root.Close() }()
	files := tar.NewReader(archive)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Layout{}, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.FromSlash(h.Name)
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return Layout{}, err
		}
		if err := write(root, name, files); err != nil {
			return Layout{}, err
		}
	}
	text, err := root.ReadFile("index.json")
	if err != nil {
		return Layout{}, fmt.Errorf("the engine gives images in an old form: %w", err)
	}
	var index struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(text, &index); err != nil {
		return Layout{}, err
	}
	if len(index.Manifests) == 0 {
		return Layout{}, errors.New("the engine gave no image")
	}
	return Layout{Dir: dir, Digest: index.Manifests[0].Digest}, nil
}

func write(root *os.Root, name string, from io.Reader) error {
	to, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// layouts offers the images in folders to the build, which asks for what it has not yet.
func layouts(options *client.SolveOpt, r Request) error {
	for name, l := range r.Layouts {
		store, err := local.NewStore(l.Dir)
		if err != nil {
			return fmt.Errorf("open the image for context %s: %w", name, err)
		}
		if options.OCIStores == nil {
			options.OCIStores = map[string]content.Store{}
		}
		options.OCIStores[name] = store
		options.FrontendAttrs["context:"+name] = "oci-layout://" + name + "@" + l.Digest
	}
	return nil
}
