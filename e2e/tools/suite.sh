#!/usr/bin/env bash
# suite.sh NAME COMMAND... runs one suite and says how it went. The line is also added to the file that SUITE_RESULTS
# names, if any, from which .ci/run makes its summary.
set -uo pipefail

name=$1
shift
printf '== %s\n' "$name"
SECONDS=0
"$@"
status=$?
if [ "$status" -eq 0 ]; then verdict=ok; else verdict=FAILED; fi
line=$(printf '%-8s %-6s %5d s' "$name" "$verdict" "$SECONDS")
printf '== %s\n' "$line"
if [ -n "${SUITE_RESULTS:-}" ]; then printf '%s\n' "$line" >>"$SUITE_RESULTS"; fi
exit "$status"
