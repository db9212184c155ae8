#!/bin/bash
# Runs the drivers, and the panel where its binary is given, on a virtual arm64 board: Debian's kernel under QEMU with
# the kernel's own GPIO, SPI and input devices, moved from the far end.
#
#   run.sh [-v] [TESTS]     TESTS is a pattern of test names; all of them when left out
#
# The board's output goes to the terminal; the exit status is that of the tests. With RIG_GOARCH=arm the programs are
# 32-bit ones (GOARM 6), which the same kernel runs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
verbose=
if [[ ${1-} == -v ]]; then
  verbose=-test.v
  shift
fi
tests=${1-.}

board=$("$here/prepare.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
cd "$root"
export CGO_ENABLED=0 GOOS=linux GOARCH=${RIG_GOARCH:-arm64} GOARM=6
go test -c -trimpath -tags rig -o "$work/root/probe.test" ./scripts/rig/probe
if [[ -d cmd/doorpanel ]]; then
  go build -trimpath -ldflags '-s -w' -o "$work/root/doorpanel" ./cmd/doorpanel
fi
install -m 755 "$here/init.sh" "$work/root/init"
printf '#!/bin/sh\nexec /probe.test -test.timeout 400s %s -test.run %q\n' "$verbose" "$tests" > "$work/root/scenario"
chmod 755 "$work/root/scenario"
(cat "$board/root.cpio.gz" && cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"

# KVM is of no use for another architecture, and one core keeps the order of events readable.
timeout 480 qemu-system-aarch64 -M virt -cpu cortex-a53 -accel tcg,thread=multi -smp 1 -m 768 -nodefaults -display none \
  -no-reboot -serial stdio -kernel "$board/kernel" -initrd "$work/initrd" \
  -append 'console=ttyAMA0 panic=-1 quiet loglevel=4' < /dev/null | tr -d '\r' | tee "$work/log"
status=$(sed -n 's/^rig-exit \([0-9]*\)$/\1/p' "$work/log")
if [[ -z $status ]]; then
  echo "rig: the board did not finish" >&2
  exit 1
fi
exit "$status"
