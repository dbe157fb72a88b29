// Package remote brings Compose files that lie in git repositories and registries into a
// cache on this machine.
//
// What is fetched is named by the commit or digest of its content, never changes afterwards
// and lies in a folder of its own. Nothing of it is run: git is called without prompts, hooks,
// filters or local protocols, files are written by this package and not by a checkout, and time,
// size and number are bounded. Whether a source is to be trusted is decided by the caller.
package remote

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/distribution/reference"
)

// Kind is where a source lies.
type Kind string

// The kinds of sources.
const (
	Git Kind = "git"
	OCI Kind = "oci"
)

// Reference is a source, taken apart.
type Reference struct {
	Source string // as it was written
	Kind   Kind
	// Location is what git fetches from, or the registry's host and the name.
	Location string
	// Version is a branch, tag or commit, or a tag or digest; empty is the repository's HEAD.
	Version string
	// Path is the file or folder in a git repository, with slashes; empty is its root.
	Path string
}

// Problem is why a source cannot be used, in words for its user.
type Problem struct{ Text, Hint string }

// Error is the text without the hint.
func (p *Problem) Error() string { return p.Text }

// Is says whether the text names a source that is not a file of this machine.
func Is(source string) bool {
	return strings.Contains(source, "://") || strings.HasPrefix(source, "github.com/") || scpLike().MatchString(source)
}

// scpLike is git's short form of SSH: git@example.com:org/repo.git.
var scpLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+):([^#?]+)`) })

// commit is a full name of one, SHA-1 or SHA-256.
var commit = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`) })

// Parse takes a source apart: oci://HOST/NAME:TAG or @DIGEST, or a git repository with
// #VERSION:PATH, as docker compose has them. The error is a [*Problem].
func Parse(source string) (Reference, error) {
	if name, ok := strings.CutPrefix(source, "oci://"); ok {
		return parseImage(source, name)
	}
	location, fragment, _ := strings.Cut(source, "#")
	version, folder, _ := strings.Cut(fragment, ":")
	r := Reference{Source: source, Kind: Git, Location: location, Version: version, Path: cleaned(folder)}
	if strings.HasPrefix(location, "github.com/") {
		r.Location = "https://" + location
	}
	if m := scpLike().FindStringSubmatch(location); m != nil && !strings.Contains(location, "://") {
		return r.checked()
	}
	u, err := url.Parse(r.Location)
	if err != nil || u.Path == "" {
		return r, &Problem{Text: "is no address of a git repository", Hint: "write https://HOST/ORG/REPOSITORY.git#VERSION:FOLDER"}
	}
	if q := u.Query(); len(q) > 0 {
		r.Version, r.Path = firstOf(q, "commit", "checksum", "tag", "branch", "ref"), cleaned(q.Get("subdir"))
		u.RawQuery = ""
		r.Location = u.String()
	}
	switch u.Scheme {
	case "ssh", "git", "file":
	case "https", "http":
		if !strings.HasSuffix(u.Path, ".git") && u.Host != "github.com" {
			return r, &Problem{Text: "is no git repository: the address does not end in .git", Hint: "write https://HOST/ORG/REPOSITORY.git#VERSION:FOLDER, or download the file"}
		}
	default:
		return r, &Problem{Text: "files cannot be read by " + u.Scheme + "://", Hint: "git repositories (https, ssh) and oci:// can be"}
	}
	if (u.Scheme == "http" || u.Scheme == "git") && !commit().MatchString(r.Version) {
		return r, &Problem{Text: u.Scheme + ":// lets anybody on the way change what is read", Hint: "write https://, or pin it with #COMMIT"}
	}
	return r.checked()
}

// checked refuses what git could take for an option, and paths that lead out.
func (r Reference) checked() (Reference, error) {
	host := strings.TrimPrefix(Place(r.Location), "/")
	switch {
	case strings.HasPrefix(r.Version, "-") || strings.HasPrefix(host, "-") || strings.ContainsAny(r.Version, " \t\n^~:?*[\\"):
		return r, &Problem{Text: "is no address of a git repository", Hint: "write https://HOST/ORG/REPOSITORY.git#VERSION:FOLDER"}
	case r.Path == ".." || strings.HasPrefix(r.Path, "../"):
		return r, &Problem{Text: "the path leads out of the repository"}
	}
	return r, nil
}

func parseImage(source, name string) (Reference, error) {
	r := Reference{Source: source, Kind: OCI}
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return r, &Problem{Text: "is no address of an artifact: " + err.Error(), Hint: "write oci://HOST/NAME:TAG"}
	}
	r.Location = named.Name()
	switch n := named.(type) {
	case reference.Digested:
		r.Version = n.Digest().String()
	case reference.Tagged:
		r.Version = n.Tag()
	}
	return r, nil
}

func firstOf(q url.Values, keys ...string) string {
	for _, key := range keys {
		if v := q.Get(key); v != "" {
			return v
		}
	}
	return ""
}

// cleaned is a path below the repository's root.
func cleaned(folder string) string {
	folder = path.Clean(strings.TrimPrefix(folder, "/"))
	if folder == "." {
		return ""
	}
	return folder
}

// Fixed is the commit or digest that the source itself names; empty is none.
func (r Reference) Fixed() string {
	switch {
	case r.Kind == Git && commit().MatchString(r.Version), r.Kind == OCI && strings.HasPrefix(r.Version, "sha256:"):
		return r.Version
	}
	return ""
}

// Place is a location without scheme and user: github.com/org/repo. Trust is given by it.
func Place(location string) string {
	if _, rest, ok := strings.Cut(location, "://"); ok {
		location = rest
	} else if m := scpLike().FindStringSubmatch(location); m != nil {
		location = m[1] + "/" + m[2]
	}
	if user, host, ok := strings.Cut(location, "@"); ok && !strings.Contains(user, "/") {
		location = host
	}
	return strings.TrimSuffix(location, ".git")
}

// name is what the folder of a copy is called: a project without a name is called as
// its folder.
func (r Reference) name() string {
	base := path.Base(Place(r.Location))
	if base == "." || base == "/" || base == ".." {
		return "project"
	}
	return base
}
