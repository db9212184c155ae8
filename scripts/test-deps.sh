#!/usr/bin/env bash
# Installs what the tests need: the real peers (a SIP phone, a broker, a browser, a QR reader) and what cuts the power.
# As root on Debian it installs; elsewhere it prints the line to type and stops with 2.
set -euo pipefail

declare -A package_of=(
  [mosquitto]=mosquitto [baresip]=baresip [sipp]=sip-tester [chromium]=chromium [zbarimg]=zbar-tools [pdftoppm]=poppler-utils
  [gcc]=gcc [strace]=strace [qemu-storage-daemon]=qemu-system-common [fusermount3]=fuse3 [mkfs.ext4]=e2fsprogs
  [shellcheck]=shellcheck [exim4]=exim4-daemon-light
)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for command in "${!package_of[@]}"; do
  command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
done
# The race detector is C.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
# A browser without any font shows pages without any text.
[ -n "$(find /usr/share/fonts -name '*.ttf' -print -quit 2>/dev/null)" ] || missing+=(fonts-dejavu-core)
if [ ${#missing[@]} -eq 0 ]; then
  [ "$(id -u)" -eq 0 ] && exit 0
  echo "the power-cut and full-disk tests mount images, which needs root; type:" >&2
  echo "  sudo --preserve-env=PATH make ${1:-test}" >&2
  exit 2
fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing for the tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # The servers among them are started by the tests, on ports and in folders of their own: nothing of the system is to start.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # A machine has one mail server. Where there is another one already, it stays, and the tests cannot be run.
  if ! apt-get install -y -qq --no-install-recommends --no-remove "${missing[@]}" >/dev/null; then
    echo "cannot install ${missing[*]} without taking something away; another mail server is in the way of exim4, perhaps" >&2
    exit 2
  fi
  exit 0
fi
echo "the tests need more than is here, and root; type:" >&2
echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
echo "  sudo --preserve-env=PATH make ${1:-test}" >&2
exit 2
