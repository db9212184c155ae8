#!/usr/bin/env bash
# A thousand real panels in one process against a hub of their own: what docs/fleet.md tells as measured. Each part says at its end
# whether every entry is at the hub, once and in order, and fails otherwise; nothing fails on a time.
#
#   PANELS=1000 SITES=50     how many
#   PARTS="sustained backlog restart cut day"
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
PANELS=${PANELS:-1000} SITES=${SITES:-50} GO=${GO:-go}
PARTS=${PARTS:-sustained backlog restart cut day}
ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d "${TMPDIR:-/tmp}/doorfleet-long-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p bin
CGO_ENABLED=0 "$GO" build -o bin/doorhub ./cmd/doorhub || exit 1
CGO_ENABLED=0 "$GO" build -o bin/doorfleet ./cmd/doorfleet || exit 1

failed=()
fleet() { # NAME ARGUMENTS...
  local name=$1
  shift
  printf '\n%s  %s\n' "$(date +%H:%M:%S)" "$name"
  rm -rf "$work/data"
  bin/doorfleet run --doorhub bin/doorhub --data "$work/data" --panels "$PANELS" --sites "$SITES" --quiet "$@" 2>"$work/said" || {
    failed+=("$name")
    tail -n 40 "$work/said" >&2
    tail -n 20 "$work/data/hub/hub.log" >&2
  }
}

# One entry a visit: cards that nobody knows. The rates are entries a minute and panel.
sustained() {
  local rate
  for rate in 30 60 150 300 600; do
    fleet "sustained: $((PANELS * rate / 60)) entries/s asked for" --refused --rate "$rate" --for 60s --patience 5m
  done
}

backlog() {
  fleet "backlog: 72 h without a broker by the panels' clocks, 100 000 entries" --past 72h --past-entries 100000 --rate 1 --for 10s --patience 15m
}

restart() {
  printf 'begins 10:00\n10:00:30 the hub restarts\n10:01:30 the hub is away for 40 s\n10:04 the end\n' >"$work/story"
  fleet "restart: hub and broker killed, and away for 40 s" --rate 10 --story "$work/story" --patience 5m
}

cut() {
  # A new site is given 90 s before its panels count as lost.
  printf 'begins 10:00\n10:02 panel 1 loses its power for 3 minutes\n10:02:10 panel 2 loses its line for 3 minutes\n10:02:20 site Torino 1 loses its line for 3 minutes\n10:02:30 panel 4 stops for 3 minutes\n10:06 the end\n' >"$work/story"
  fleet "cut: power, line, a site's line, a clean stop" --rate 4 --story "$work/story" --patience 5m
}

day() {
  fleet "day: an outage every 5 s for ten minutes" --rate 6 --trouble 5s --for 10m --hold-off 20s --patience 10m
}

for part in $PARTS; do
  case $part in
    sustained | backlog | restart | cut | day) "$part" ;;
    *) echo "there is no part $part: sustained, backlog, restart, cut, day" >&2; exit 2 ;;
  esac
done
[ ${#failed[@]} -eq 0 ] || { printf 'FAILED: %s\n' "${failed[@]}"; exit 1; }
