#!/usr/bin/env bash
# What Compose files rely on in the public image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and POSTGRES_INITDB_ARGS,
# each also as NAME_FILE, POSTGRES_HOST_AUTH_METHOD, PGDATA, and scripts in /docker-entrypoint-initdb.d.
set -Eeuo pipefail

[ "${1:0:1}" != - ] || set -- postgres "$@"

[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA"
	chown -R postgres "$PGDATA"
	chmod 700 "$PGDATA"
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

# from_file NAME DEFAULT: sets NAME from the file that NAME_FILE names.
from_file() {
	local file=$1_FILE
	[ -z "${!1:-}" ] || [ -z "${!file:-}" ] || { echo "error: both $1 and $file are set" >&2; exit 1; }
	[ -z "${!file:-}" ] || declare -gx "$1=$(<"${!file}")"
	[ -n "${!1:-}" ] || declare -gx "$1=$2"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	from_file POSTGRES_PASSWORD ''
	from_file POSTGRES_USER postgres
	from_file POSTGRES_DB "$POSTGRES_USER"
	from_file POSTGRES_INITDB_ARGS ''
	method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
		echo "Error: Database is uninitialized and superuser password is not specified." >&2
		echo "       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser." >&2
		exit 1
	fi
	# Nothing of value is in a new database, so it need not be on the disk at once.
	eval "initdb --no-sync --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
	echo "host all all all $method" >>"$PGDATA/pg_hba.conf"

	# Nobody outside sees the server before it is as it should be.
	PGUSER=$POSTGRES_USER pg_ctl -w start -o "-c listen_addresses=''"
	export PGPASSWORD=$POSTGRES_PASSWORD
	sql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER")
	[ "$POSTGRES_DB" = postgres ] ||
		"${sql[@]}" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
	sql+=(--dbname "$POSTGRES_DB")
	for file in /docker-entrypoint-initdb.d/*; do
		[ ! -f "$file" ] || echo "$0: running $file"
		# shellcheck source=/dev/null
		case $file in
		*.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
		*.sql) "${sql[@]}" -f "$file" ;;
		*.sql.gz) gunzip -c "$file" | "${sql[@]}" ;;
		esac
	done
	unset PGPASSWORD
	PGUSER=$POSTGRES_USER pg_ctl -m fast -w stop
	echo "PostgreSQL init process complete; ready for start up."
fi

exec "$@"
