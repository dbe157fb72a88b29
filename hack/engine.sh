# Sourced by engine and swarm: an engine from Debian packages in a tree of its own (debootstrap), so that the host's
# packages do not change. It runs with the tree's /usr over the host's, in namespaces of its own.
# shellcheck shell=bash

. "$(dirname "$0")/debian.sh"

current_packages=docker.io,docker-cli,docker-compose,docker-buildx,podman,aardvark-dns,nftables

# place DIR SUITE PACKAGES: sets where an engine keeps all that it has, and what it is made of.
place() {
	dir=$1
	suite=$2
	packages=$3,iptables,iproute2,procps,ca-certificates
	tree=$state/$suite
	cgroup=muster${dir//\//-}
	socket=$dir/docker.sock
	host=unix://$socket
}

# answers HOST [SECONDS]: does an engine answer there within so long? curl is the quickest to ask on a socket.
answers() {
	local client patience=${2:-5}
	case $1 in
	unix://*)
		[ -S "${1#unix://}" ] || return 1
		if command -v curl >/dev/null; then
			[ "$(curl -s --max-time "$patience" --unix-socket "${1#unix://}" http://engine/_ping)" = OK ]
			return
		fi
		;;
	esac
	client=$(docker_client) || return 1
	DOCKER_HOST=$1 timeout "$patience" "$client" version >/dev/null 2>&1
}

# leader prints the pid, as the host sees it, of what holds the engine's namespaces: the init that dockerd is below. It
# is looked up by its name, as a pidfile may be of another life of this machine. (In brackets, so that grep does not
# find itself.)
leader() {
	# Processes that end meanwhile are no error.
	{ grep -lszx "[m]uster-engine:$dir" /proc/[0-9]*/cmdline || true; } | sed -n '1s/[^0-9]//gp' | grep .
}

# What an engine that was killed leaves in the host's view: files, and empty cgroups.
sweep() {
	rm -f "$socket" "$dir/docker.pid"
	rm -rf "$dir/run"
	find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null || true
}

# launch SPACES... -- COMMAND...: runs COMMAND in new namespaces, given as options of unshare, until an engine answers. COMMAND
# becomes their init, and calls enter_tree first.
launch() {
	make_tree "$tree" "$suite" "$packages"
	if leader >/dev/null; then
		say "$name runs but does not answer; starting it anew"
		halt 0
	fi
	sweep
	# 9>&- : the engine must not inherit the lock.
	setsid unshare --mount --propagation private --pid --fork --mount-proc --kill-child "$@" >"$dir/log" 2>&1 </dev/null 9>&- &
	local outer=$! tries
	for tries in $(seq 600); do
		answers "$host" && break
		if ! kill -0 $outer 2>/dev/null || [ "$tries" = 600 ]; then
			tail -n 20 "$dir/log" >&2
			die "$name did not start; its log is $dir/log"
		fi
		sleep 0.1
	done
	say "$name answers on $host"
}

# enter_tree: within new namespaces, lets the programs be those of the tree.
enter_tree() {
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	mount --bind "$tree/usr" /usr
	# Which iptables there is, is a link in /etc.
	mount --bind "$tree/etc/alternatives" /etc/alternatives
	# A containerd of the host would be taken for ours.
	[ ! -d /run/containerd ] || mount -t tmpfs none /run/containerd
}

# become COMMAND...: tini reaps, hands signals on and ends with COMMAND, and with it the namespaces end. Its name in the
# process list is how we know it again.
become() { exec -a "muster-engine:$dir" tini-static -- "$@"; }

# become_dockerd ARGS...: what is the same for each engine of Docker's.
become_dockerd() {
	become dockerd \
		--host "$host" \
		--data-root "$dir/data" \
		--exec-root "$dir/run" \
		--pidfile "$dir/docker.pid" \
		--exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$cgroup" \
		"$@"
}

# halt SECONDS: ends the engine, by force after so long.
halt() {
	local pid tries=$(($1 * 10))
	pid=$(leader) || return 0
	[ "$tries" -eq 0 ] || kill -TERM "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do
		[ "$tries" -ne 0 ] || kill -KILL "$pid" 2>/dev/null || true
		tries=$((tries - 1))
		sleep 0.1
	done
}

# locked COMMAND...: one at a time, since two calls at once would both install or both start.
locked() {
	mkdir -p "$dir"
	exec 9>"$dir/lock"
	flock 9
	"$@"
	exec 9>&-
}
