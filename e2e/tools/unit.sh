#!/usr/bin/env bash
# unit.sh runs the tests of all rooms but e2e with the race detector, and fails when they reach too few of the
# statements under authz/, which is where requests are decided.
set -euo pipefail

least=95
profile=.cache/coverage.out
mkdir -p .cache

go test -race -coverpkg=./authz/... -coverprofile="$profile" ./authz/... ./cedar/... ./envoy/... ./cmd/... |
	sed -E '/^coverage:/d; s/[[:space:]]+coverage: .*//'
reached=$(go tool cover -func="$profile" | awk 'END { print $NF + 0 }')
echo "statements reached under authz/: $reached %, at least $least % are wanted"
awk -v reached="$reached" -v least="$least" 'BEGIN { exit !(reached >= least) }'
