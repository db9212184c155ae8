#!/usr/bin/env bash
# What takes too long for every day: many random histories, fuzzing of every parser, many power cuts, a busy door for
# minutes. Every part is run, also after one has failed; the last lines name those that did, and the end is then 1.
#
#   HISTORIES=100000   random histories of the panel's rules and of the licenses
#   FUZZTIME=60s       for each fuzz target
#   COMMITS=60         of the power-cut run; needs root, and is left out without
#   SOAK=10m           presses, cards, codes and scans without pause, while memory is watched
#   BACKLOG=100000     events of one panel that a hub takes in at once, through two brokers
#   PANELS=1000        real panels at a hub of their own: sustained load, three days at once, restarts, cuts, a bad day
#   PARTS="histories fuzz power soak backlog fleet"
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
HISTORIES=${HISTORIES:-100000} FUZZTIME=${FUZZTIME:-60s} COMMITS=${COMMITS:-60} SOAK=${SOAK:-10m} BACKLOG=${BACKLOG:-100000}
PARTS=${PARTS:-histories fuzz power soak backlog fleet}
GO=${GO:-go}
failed=() left_out=()

part() { printf '\n%s  %s\n' "$(date +%H:%M:%S)" "$1"; }
try() { # NAME COMMAND...
  local name=$1
  shift
  part "$name"
  "$@" </dev/null || failed+=("$name")
}

histories() {
  local dir checks tests
  # Each history of the journal opens and breaks real files, some fifty times slower than one in memory.
  while read -r dir; do
    checks=$HISTORIES
    case $dir in
      ./storage) checks=$((HISTORIES / 20 + 1)) ;;
      ./cmd/doorlicense) checks=$((HISTORIES / 100 + 1)) ;;
    esac
    tests=$(awk '/^func / { name = /^func Test/ ? $2 : ""; sub(/\(.*/, "", name) } name && /(rapid\.Check|histories)\(/ { print name }' "$dir"/*_test.go |
      sort -u | paste -sd '|')
    try "$checks histories in $dir" "$GO" test -timeout 6h -run "^($tests)\$" "$dir" -rapid.checks="$checks"
  done < <(grep -rl --include='*_test.go' 'rapid\.Check(' . | xargs -n1 dirname | sort -u)
}

fuzz() {
  local targets n=0 file name
  targets=$(grep -rhoE --with-filename --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/:func / /' | sort)
  while read -r file name; do
    n=$((n + 1))
    try "fuzzing $n of $(wc -l <<<"$targets"): $name in $(dirname "$file"), $FUZZTIME" \
      "$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" "$(dirname "$file")"
  done <<<"$targets"
}

# A control must fail: a test of power cuts that finds nothing without the syncs finds nothing at all.
control() {
  if scripts/powercut/run.sh "$COMMITS" nosync >/dev/null; then
    echo "without any sync nothing was lost: the test sees nothing" >&2
    return 1
  fi
}

power() {
  if [ "$(id -u)" != 0 ]; then
    left_out+=("power cuts (needs root)")
    return
  fi
  try "power cuts at every block write of $COMMITS commits" scripts/powercut/run.sh "$COMMITS"
  try "the same without syncs, which must lose something" control
}

busy() {
  mkdir -p bin
  CGO_ENABLED=0 "$GO" build -tags demo -o bin/doorpanel-demo ./cmd/doorpanel &&
    "$GO" run ./scripts/soak -program bin/doorpanel-demo -for "$SOAK"
}

for p in $PARTS; do
  case $p in
    histories | fuzz | power) "$p" ;;
    backlog) try "a backlog of $BACKLOG events" env DOORPANEL_BACKLOG="$BACKLOG" "$GO" test -count=1 -timeout 30m -v -run 'TestABacklog' ./hub ;;
    soak) try "a busy door for $SOAK" busy ;;
    fleet) try "a fleet of ${PANELS:-1000} panels" env PARTS="${FLEETPARTS:-sustained backlog restart cut day}" scripts/fleet.sh ;;
    *) echo "there is no part $p: histories, fuzz, power, soak, backlog, fleet" >&2; exit 2 ;;
  esac
done
part "done"
[ ${#left_out[@]} -eq 0 ] || printf 'left out: %s\n' "${left_out[@]}"
[ ${#failed[@]} -eq 0 ] || { printf 'FAILED: %s\n' "${failed[@]}"; exit 1; }
