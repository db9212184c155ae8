#!/usr/bin/env bash
# Takes the pictures of docs/ledger-pages.md anew, from the walks through the pages in a real browser. Needs /usr/bin/chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
shots=$(mktemp -d)
trap 'rm -r "$shots"' EXIT
DOORHUB_SHOTS=$shots go test ./hub/web -count=1 -run '^(TestTheTreeInARealBrowser|TestADealerClicksTheExampleTogether)$'
for picture in docs/ledger-*.png; do
  cp "$shots/$(basename "$picture")" "$picture"
done
stat -c '%s %n' docs/ledger-*.png | awk '{ sum += $1; if ($1 > 150000) { print $2, "has", $1, "bytes, more than 150,000"; bad = 1 } } END { print NR, "pictures,", sum, "bytes"; exit bad }'
