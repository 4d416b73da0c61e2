#!/usr/bin/env bash
# redis.sh prints the path of a redis-server or valkey-server: $REDIS_SERVER if set, else the one on PATH, else one that
# it installs with apt-get, which only root can. Tests start it themselves; no service is needed.
set -euo pipefail

if [ -n "${REDIS_SERVER:-}" ]; then
	[ -x "$REDIS_SERVER" ] || { echo "REDIS_SERVER=$REDIS_SERVER is not a program: unset it, or name redis-server" >&2; exit 1; }
	echo "$REDIS_SERVER"
	exit
fi

found() { command -v redis-server || command -v valkey-server; }

if ! found >/dev/null; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "redis-server is missing: install it (on Debian and Ubuntu the package redis-server), or set REDIS_SERVER" >&2
		exit 1
	fi
	echo "installing redis-server" >&2
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # a service is not started in this run level
	apt-get install -qq -y --no-install-recommends redis-server >&2 ||
		{ apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends redis-server >&2; }
fi
found
