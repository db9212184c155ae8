#!/bin/bash
# Prepares the virtual board of the rig once for each kernel version, in the cache: Debian's arm64 kernel, the modules
# that it does not bring (gpio-sim from its own source, spi-far from here) and a small root file system. Prints the
# directory. Kernel files are under GPL-2.0: they are downloaded and stay in the cache.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/doorpanel-rig
say() { echo "rig: $*" >&2; }

tools=(qemu-system-arm gcc-aarch64-linux-gnu linux-kbuild-6.1 make cpio kmod xz-utils)
missing=()
for tool in "${tools[@]}"; do
  dpkg-query -W -f='${Status}' "$tool" 2>/dev/null | grep -q 'install ok installed' || missing+=("$tool")
done
if ((${#missing[@]})); then
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  if ! command -v apt-get >/dev/null || ((EUID)); then
    say "this needs Debian 12 with ${missing[*]}; type: sudo $install"
    exit 2
  fi
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive $install >&2
fi

# Another architecture's packages, without touching what this host has installed.
mkdir -p "$cache"/apt/{lists/partial,archives/partial}
: > "$cache/apt/status"
apt_arm64() {
  local tool=$1
  shift
  "$tool" -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" \
    -o Dir::State::Lists="$cache/apt/lists" -o Dir::State::status="$cache/apt/status" -o Dir::Cache="$cache/apt" "$@"
}
newest_lists=$(find "$cache/apt/lists" -name '*Packages*' -mtime -1 -print -quit)
if [[ -z $newest_lists ]]; then
  say "reading the list of arm64 packages"
  apt_arm64 apt-get update >&2
fi
image=$(apt_arm64 apt-cache depends linux-image-arm64 | awk '/Depends: linux-image-/ { print $2; exit }')
version=${image#linux-image-}
[[ -n $version ]] || { say "there is no linux-image-arm64 in the package lists"; exit 1; }
board=$cache/$version-$(cat "$here/spi-far.c" "$here/prepare.sh" | sha256sum | cut -c1-12)
if [[ -f $board/ready ]]; then
  echo "$board"
  exit 0
fi

rm -rf "$board"
work=$board.work
rm -rf "$work"
mkdir -p "$work"/{deb,kernel,headers,modules,root}
cd "$work/deb"
say "downloading kernel $version, its headers and its source (about 280 MB)"
source=linux-source-${version%%.*}.$(cut -d. -f2 <<< "$version")
apt_arm64 apt-get download "$image" "linux-headers-$version" "linux-headers-${version%-arm64}-common" busybox-static "$source" >&2
cd "$work"
for deb in deb/linux-image*.deb; do dpkg -x "$deb" kernel; done
for deb in deb/linux-headers*.deb deb/busybox*.deb; do dpkg -x "$deb" headers; done

say "building gpio-sim and spi-far"
dpkg --fsys-tarfile deb/linux-source*.deb | tar xO "./usr/src/$source.tar.xz" | tar xJ -C modules --transform 's#.*/##' \
  "$source/drivers/gpio/gpio-sim.c" "$source/drivers/gpio/gpiolib.h" "$source/kernel/irq/irq_sim.c"
# Debian's kernel has no irq_sim. Linked into gpio-sim it needs nothing from the kernel but one name that is not exported.
sed -i 's/^EXPORT_SYMBOL_GPL.*//; s/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' modules/irq_sim.c
mv modules/gpio-sim.c modules/gpio_sim_main.c
cp "$here/spi-far.c" modules/
printf 'obj-m := gpio-sim.o spi-far.o\ngpio-sim-y := gpio_sim_main.o irq_sim.o\n' > modules/Kbuild
# The headers come with arm64 build tools and fixed paths: use this host's tools of the same series.
tree=$work/headers/usr/src
sed -i "s#^include .*#include $tree/linux-headers-${version%-arm64}-common/Makefile#" "$tree/linux-headers-$version/Makefile"
for headers in "$tree/linux-headers-$version" "$tree/linux-headers-${version%-arm64}-common"; do
  for part in scripts tools; do ln -sfn "/usr/lib/${source/source/kbuild}/$part" "$headers/$part"; done
done
make -s -C "$tree/linux-headers-$version" M="$work/modules" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
  DEB_HOST_GNU_TYPE=aarch64-linux-gnu modules > "$work/make.log" 2>&1 || { cat "$work/make.log" >&2; exit 1; }

say "making the root file system"
mkdir -p "root/lib/modules/$version/extra" root/{bin,sbin,dev,proc,sys,tmp,run,root,etc}
cp headers/bin/busybox root/bin/
cp kernel/lib/modules/"$version"/modules.{order,builtin,builtin.modinfo} "root/lib/modules/$version/"
depmod -b kernel "$version"
for module in configfs uinput evdev; do modprobe -d kernel -S "$version" --show-depends "$module"; done |
  awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
    install -D -m 644 "$file" "root/lib/modules/$version/${file##*/lib/modules/"$version"/}"
  done
for module in gpio-sim spi-far; do
  aarch64-linux-gnu-strip -g -o "root/lib/modules/$version/extra/$module.ko" "modules/$module.ko"
done
depmod -b root "$version"
(cd root && find . | cpio -o -H newc --quiet | gzip -1) > root.cpio.gz

mkdir -p "$board"
cp kernel/boot/vmlinuz-"$version" "$board/kernel"
cp root.cpio.gz "$board/"
touch "$board/ready"
rm -rf "$work"
echo "$board"
