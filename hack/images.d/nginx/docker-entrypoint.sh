#!/bin/sh
# As in the public image: /etc/nginx/templates/X.template becomes /etc/nginx/conf.d/X, with the variables that are set
# (and no others, since nginx has variables of its own) put in; scripts in /docker-entrypoint.d run first.
set -e

if [ "$1" = nginx ]; then
	names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
	for template in /etc/nginx/templates/*.template; do
		[ -e "$template" ] || continue
		envsubst "$names" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
	done
	for script in /docker-entrypoint.d/*.sh; do
		[ ! -x "$script" ] || "$script"
	done
fi

exec "$@"
