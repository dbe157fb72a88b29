package remote

import "testing"

func TestParse(t *testing.T) {
	hash := "0123456789abcdef0123456789abcdef01234567"
	digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for source, want := range map[string]Reference{
		"https://example.com/org/repo.git":                    {Kind: Git, Location: "https://example.com/org/repo.git"},
		"https://example.com/org/repo.git#main":               {Kind: Git, Location: "https://example.com/org/repo.git", Version: "main"},
		"https://example.com/org/repo.git#v1:db/compose.yaml": {Kind: Git, Location: "https://example.com/org/repo.git", Version: "v1", Path: "db/compose.yaml"},
		"https://example.com/org/repo.git#:/db":               {Kind: Git, Location: "https://example.com/org/repo.git", Path: "db"},
		"https://example.com/org/repo.git?ref=v1&subdir=db":   {Kind: Git, Location: "https://example.com/org/repo.git", Version: "v1", Path: "db"},
		"github.com/org/repo#feature/x":                       {Kind: Git, Location: "https://github.com/org/repo", Version: "feature/x"},
		"https://github.com/org/repo":                         {Kind: Git, Location: "https://github.com/org/repo"},
		"git@example.com:org/repo.git#v1":                     {Kind: Git, Location: "git@example.com:org/repo.git", Version: "v1"},
		"ssh://git@example.com:22/org/repo.git":               {Kind: Git, Location: "ssh://git@example.com:22/org/repo.git"},
		"http://example.com/org/repo.git#" + hash:             {Kind: Git, Location: "http://example.com/org/repo.git", Version: hash},
		"oci://registry.example.com/org/app:1.2":              {Kind: OCI, Location: "registry.example.com/org/app", Version: "1.2"},
		"oci://registry.example.com:5000/org/app@" + digest:   {Kind: OCI, Location: "registry.example.com:5000/org/app", Version: digest},
		"oci://org/app": {Kind: OCI, Location: "docker.io/org/app", Version: "latest"},
		"https://example.com/org/repo.git#v1:a/../b/./compose.y": {Kind: Git, Location: "https://example.com/org/repo.git", Version: "v1", Path: "b/compose.y"},
	} {
		want.Source = source
		got, err := Parse(source)
		if err != nil || got != want {
			t.Errorf("Parse %s:\n%+v, %v, want\n%+v", source, got, err, want)
		}
		if !Is(source) {
			t.Errorf("Is %s: false", source)
		}
	}
	for _, source := range []string{
		"https://example.com/compose.yaml", "http://example.com/org/repo.git#main", "git://example.com/org/repo.git", "ftp://example.com/x.git",
		"https://example.com/org/repo.git#--upload-pack=evil", "ssh://-oProxyCommand=evil/repo.git", "https://example.com/org/repo.git#v1:../../etc",
		"https://example.com/org/repo.git#a b", "oci://UP PER/app", "oci://", "https://",
	} {
		if got, err := Parse(source); err == nil {
			t.Errorf("Parse %s: %+v, want an error", source, got)
		}
	}
	for _, file := range []string{"compose.yaml", "./a/b.yaml", "../x.yml", "/abs/x", `C:\x\compose.yaml`, "-", "a@b/c.yaml"} {
		if Is(file) {
			t.Errorf("Is %s: true", file)
		}
	}
}

func TestPlace(t *testing.T) {
	for location, want := range map[string]string{
		"https://github.com/org/repo.git": "github.com/org/repo", "git@github.com:org/repo.git": "github.com/org/repo",
		"ssh://git@github.com/org/repo": "github.com/org/repo", "registry.example.com/a/b": "registry.example.com/a/b",
		"https://token@example.com/x.git": "example.com/x",
	} {
		if got := Place(location); got != want {
			t.Errorf("Place %s: %s, want %s", location, got, want)
		}
	}
}
