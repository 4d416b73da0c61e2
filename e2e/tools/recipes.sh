#!/usr/bin/env bash
# recipes.sh installs what the recipes for backends in other languages need: jose into .cache/node, with Node.js if the
# machine has none, and joserfc into .cache/venv. The versions are those of e2e/recipes.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache

"$root/e2e/tools/node.sh" "$root/e2e/recipes/typescript/package.json" node

wanted=$root/e2e/recipes/python/requirements.txt
if ! [ -e "$cache/venv/recipes.txt" ] || ! cmp -s "$wanted" "$cache/venv/recipes.txt"; then
	echo "installing the packages of the Python recipe into .cache/venv" >&2
	[ -x "$cache/venv/bin/pip" ] || python3 -m venv "$cache/venv" >&2 || {
		echo "python3 is missing or cannot make a virtual environment: install Python 3.11 or newer with its venv" >&2
		exit 1
	}
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
	cp "$wanted" "$cache/venv/recipes.txt"
fi
