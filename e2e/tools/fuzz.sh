#!/usr/bin/env bash
# fuzz.sh TIME finds every fuzz target and runs each for that time, as many at once as there are processors. An input
# that breaks one is kept below the testdata directory of its package, where it is a test case from then on.
set -euo pipefail

# only_time_is_up says whether the one thing that a log reports is the end of the time. Go calls that a failure when
# it comes at a bad moment (https://go.dev/issue/48591). An input that breaks or hangs a target is reported otherwise.
only_time_is_up() {
	[ "$(grep -A 1 '^--- FAIL' "$1")" = "$(grep -B 1 '^    context deadline exceeded$' "$1")" ] &&
		grep -q '^    context deadline exceeded$' "$1" && ! grep -q 'Failing input written' "$1"
}

# one TIME PACKAGE NAME runs one target on one processor and prints its log when it is done. Minimising interesting
# inputs could take all of the time.
one() {
	log=$(mktemp)
	verdict=ok
	go test -run '^$' -fuzz "^$3\$" -fuzztime "$1" -fuzzminimizetime 1s -parallel 1 "$2" </dev/null >"$log" 2>&1 ||
		only_time_is_up "$log" || verdict=FAILED
	printf -- '-- %s %s %s\n' "$2" "$3" "$verdict"
	if [ "$verdict" = ok ]; then grep '^fuzz: elapsed' "$log" | tail -n 1; else cat "$log"; fi
	rm -f "$log"
	[ "$verdict" = ok ]
}

if [ "${1:-}" = --one ]; then
	one "$2" "$3" "$4"
	exit
fi

list=$(go test -list '^Fuzz' ./authz/... ./cedar/... ./envoy/... ./cmd/...)
# go test -list prints the targets of a package, then a line "ok <package> <time>".
targets=$(awk '/^Fuzz/ { names[n++] = $1 } /^ok/ { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' <<<"$list")
[ -n "$targets" ] || { echo "no fuzz target was found" >&2; exit 1; }
jobs=$(getconf _NPROCESSORS_ONLN)
echo "$(wc -l <<<"$targets") fuzz targets for $1 each, $jobs at once"
xargs -P "$jobs" -L 1 "$0" --one "$1" <<<"$targets" || { echo "some fuzz targets failed" >&2; exit 1; }
