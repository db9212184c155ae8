#!/bin/bash
# Power cuts at every crash point of a run over journal and store together: every block write of a real ext4 is logged,
# then every prefix of the log, and every prefix with its unflushed writes dropped, reordered and torn, is mounted and
# opened by the product's own code.
#
#   run.sh COMMITS           must report 0 bad, twice
#   run.sh COMMITS nosync    the control, without any waiting for the disk: must report bad points and end with 1
#
# Needs root and the Debian packages qemu-system-common, fuse3, e2fsprogs. POWERCUT names a built program.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: run.sh COMMITS [nosync]" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "run.sh: must be root, to mount and to use loop devices" >&2; exit 2; }
for tool in qemu-storage-daemon fusermount3 mkfs.ext4 losetup; do
  command -v "$tool" >/dev/null || { echo "run.sh: $tool is missing: apt-get install -y qemu-system-common fuse3 e2fsprogs" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
daemon='' loop=''
# shellcheck disable=SC2317 # it is called by the trap
finish() {
  mountpoint -q "$work/mnt" && umount "$work/mnt"
  mountpoint -q "$work/chk" && umount "$work/chk"
  [ -z "$loop" ] || losetup -d "$loop" || true
  if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; fi
  cd /; rm -rf "$work"
}
trap finish EXIT
program=${POWERCUT:-}
if [ -z "$program" ]; then
  program=$work/powercut
  (cd "$here" && go build -o "$program" .)
fi
cd "$work"
size=$((64 << 20))
truncate -s $size disk.img; truncate -s 1G log.img; : >exported; mkdir mnt chk
qemu-storage-daemon \
  --blockdev driver=file,filename=disk.img,node-name=disk \
  --blockdev driver=file,filename=log.img,node-name=log \
  --blockdev driver=blklogwrites,file=disk,log=log,log-sector-size=512,node-name=logged \
  --export "type=fuse,id=export,node-name=logged,mountpoint=$work/exported,writable=on" &
daemon=$!
for _ in $(seq 100); do
  [ "$(stat -c %s exported)" = $size ] && break
  kill -0 $daemon
  sleep 0.1
done
loop=$(losetup --show -f exported)
mkfs.ext4 -q -F "$loop"
mount "$loop" mnt
"$program" work mnt/data log.img acks "$1" "${@:2}"
umount mnt
losetup -d "$loop"; loop=''
bad=0
echo "every prefix:";                "$program" replay log.img acks base chk $size || bad=1
echo "unflushed writes at random:";  "$program" replay log.img acks base chk $size reorder || bad=1
exit $bad
