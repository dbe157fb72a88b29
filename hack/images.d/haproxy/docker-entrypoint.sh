#!/bin/sh
# As in the public image: flags alone mean haproxy, which then runs in the foreground with a master that takes signals.
set -e

case $1 in
-*) set -- haproxy "$@" ;;
esac

if [ "$1" = haproxy ]; then
	shift
	set -- haproxy -W -db "$@"
fi

exec "$@"
