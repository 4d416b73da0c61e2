#!/usr/bin/env bash
# fuzz.sh TIME finds every fuzz target and runs each for that time. An input that breaks one is kept below the testdata
# directory of its package, where it is a test case from then on.
set -euo pipefail

list=$(go test -list '^Fuzz' ./authz/... ./cedar/... ./envoy/... ./cmd/...)
# go test -list prints the targets of a package, then a line "ok <package> <time>".
targets=$(awk '/^Fuzz/ { names[n++] = $1 } /^ok/ { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' <<<"$list")
[ -n "$targets" ] || { echo "no fuzz target was found" >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# only_time_is_up says whether the one thing that the log reports is the end of the time. Go calls that a failure when
# it comes at a bad moment (https://go.dev/issue/48591). An input that breaks or hangs a target is reported otherwise.
only_time_is_up() {
	[ "$(grep -A 1 '^--- FAIL' "$log")" = "$(grep -B 1 '^    context deadline exceeded$' "$log")" ] &&
		grep -q '^    context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"
}

failed=()
while read -r package name; do
	echo "-- $package $name"
	if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$package" </dev/null 2>&1 | tee "$log"; then
		if only_time_is_up; then echo "the time was up"; else failed+=("$package $name"); fi
	fi
done <<<"$targets"
echo "$(wc -l <<<"$targets") fuzz targets, ${#failed[@]} failed"
[ "${#failed[@]}" -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
