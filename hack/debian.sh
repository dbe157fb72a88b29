# Sourced by the scripts beside it: where things are kept, and how to get them from Debian's archive.
# shellcheck shell=bash

if [ -n "${MUSTER_ENGINE_DIR:-}" ]; then
	state=$MUSTER_ENGINE_DIR
elif [ "$(id -u)" = 0 ]; then
	state=/var/lib/muster-engine
else
	state=${XDG_CACHE_HOME:-$HOME/.cache}/muster-engine
fi

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

# The comment at the top of a script is its help.
usage() { sed -n '2,/^[^#]/{/^[^#]/!s/^# \{0,1\}//p}' "$0"; }

# docker_client prints the path of a docker client: the host's, or the one that came with an engine of ours.
docker_client() {
	command -v docker && return
	[ -x "$state/forky/usr/bin/docker" ] && echo "$state/forky/usr/bin/docker"
}

# need WHAT: fails, and says what is missing here, unless packages of Debian can be installed.
need() {
	local missing=() tool
	[ "$(uname -s)" = Linux ] || missing+=("Linux")
	[ "$(id -u)" = 0 ] || missing+=("to be root")
	command -v apt-get >/dev/null || missing+=("Debian's apt-get")
	for tool in unshare setsid flock nsenter; do
		command -v $tool >/dev/null || missing+=("$tool, of the package util-linux")
	done
	[ ${#missing[@]} -eq 0 ] && return
	say "$1 cannot be had here. Missing:"
	printf '  - %s\n' "${missing[@]}" >&2
	return 1
}

# debian_mirror prints the archive to install from: the one that apt uses, by the label that security updates and
# backports do not have. Labels are known only once the lists were fetched.
debian_mirror() {
	if [ -n "${MUSTER_DEBIAN_MIRROR:-}" ]; then
		echo "$MUSTER_DEBIAN_MIRROR"
		return
	fi
	local ask=(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian')
	[ -n "$("${ask[@]}")" ] || apt-get update -qq >&2
	"${ask[@]}" | sed -n 1p
}

# have COMMAND PACKAGE: installs the package of a command, unless it is there.
have() {
	! command -v "$1" >/dev/null || return 0
	say "installing $2"
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=300 "$2"; } >&2
}

# make_tree DIR SUITE PACKAGES: a minimal Debian with PACKAGES (a,b,c) in DIR, unless it is there. It has another name
# until it is whole, so that an interrupted install is begun anew.
make_tree() {
	[ -e "$1" ] && return
	have debootstrap debootstrap || die "debootstrap cannot be installed"
	local mirror
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "apt knows no Debian archive here; set MUSTER_DEBIAN_MIRROR"
	say "installing Debian $2 with $3 (a minute or two)"
	rm -rf "$1.part"
	# The last word names the script, since an older debootstrap does not know newer releases by name.
	if ! debootstrap --variant=minbase --include="$3" "$2" "$1.part" "$mirror" sid >"$1.log" 2>&1; then
		tail -n 5 "$1.log" >&2
		die "debootstrap failed; its log is $1.log"
	fi
	rm -rf "$1.part"/var/cache/apt/archives/*.deb
	mv "$1.part" "$1"
}
