#!/bin/sh
# As in the public image: flags or a file alone mean redis-server, root gives way to the user redis, and without a
# password other containers are let in all the same.
set -e

case $1 in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
	case " $* " in
	*" --protected-mode "*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		chown -R redis .
		exec setpriv --reuid=redis --regid=redis --init-groups "$@"
	fi
fi

exec "$@"
