#!/bin/sh
# Puts the panel on a board: binary, configuration, device permissions and systemd unit, run by the unprivileged user
# doorpanel. It may be run again at any time: an existing configuration stays as it is, the binary and the unit are renewed.
set -eu

usage() {
	cat <<'END'
usage: install.sh [--binary FILE] [--config FILE] [--root DIR] [--no-start]

  --binary FILE  the doorpanel program for this board   (default: bin/doorpanel beside scripts/)
  --config FILE  first configuration                    (default: configs/board.toml)
  --root DIR     install below DIR, as for an image: no users, groups or services are touched
  --no-start     enable the service, but leave starting it to the next boot

examples:
  sudo scripts/install.sh --binary bin/doorpanel-linux-arm64
  scripts/install.sh --root /tmp/image --binary bin/doorpanel-linux-arm
END
}

say() { printf '%s\n' "$*"; }
stop() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
binary=$here/../bin/doorpanel
config=$here/../configs/board.toml
root=
start=yes

while [ $# -gt 0 ]; do
	case $1 in
	--binary | --config | --root)
		if [ $# -lt 2 ] || [ -z "$2" ]; then
			usage >&2
			exit 2
		fi
		case $1 in
		--binary) binary=$2 ;;
		--config) config=$2 ;;
		--root) root=${2%/} ;;
		esac
		shift 2
		;;
	--no-start)
		start=no
		shift
		;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
done

[ -f "$binary" ] || stop "cannot find the program $binary: build it with 'make build', or name it with --binary"
[ -f "$config" ] || stop "cannot find the configuration $config: name one with --config"
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
	stop "cannot change this system as $(id -un): run it with sudo, or try it with --root DIR"
fi
if [ -z "$root" ] && ! "$binary" version >/dev/null 2>&1; then
	stop "cannot run $binary on this board ($(uname -m)): take the program that was built for it"
fi

# put MODE FROM TO copies beside the target and renames, so that a power cut leaves the old file or the new one.
put() {
	mkdir -p "$(dirname "$3")"
	if cmp -s "$2" "$3"; then
		chmod "$1" "$3"
		say "as it was    $3"
		return
	fi
	cp "$2" "$3.new"
	chmod "$1" "$3.new"
	sync "$3.new"
	mv -f "$3.new" "$3"
	say "installed    $3"
}

if [ -z "$root" ]; then
	for group in gpio spi input dialout; do
		if getent group "$group" >/dev/null; then
			say "as it was    group $group"
		else
			groupadd --system "$group"
			say "made         group $group"
		fi
	done
	if getent passwd doorpanel >/dev/null; then
		say "as it was    user doorpanel"
	else
		useradd --system --user-group --home-dir /var/lib/doorpanel --no-create-home --shell /usr/sbin/nologin doorpanel
		say "made         user doorpanel"
	fi
	for group in gpio spi input dialout; do
		usermod --append --groups "$group" doorpanel
	done
	say "as needed    user doorpanel in gpio, spi, input, dialout"
fi

put 0755 "$binary" "$root/usr/local/bin/doorpanel"
if [ -e "$root/etc/doorpanel/doorpanel.toml" ]; then
	say "kept         $root/etc/doorpanel/doorpanel.toml"
else
	put 0640 "$config" "$root/etc/doorpanel/doorpanel.toml"
fi
chmod 0750 "$root/etc/doorpanel"
put 0644 "$here/70-doorpanel.rules" "$root/etc/udev/rules.d/70-doorpanel.rules"
put 0644 "$here/doorpanel.service" "$root/etc/systemd/system/doorpanel.service"

if [ -n "$root" ]; then
	say "done below $root; users, groups and the service are made when this runs on the board itself"
	exit 0
fi

chgrp doorpanel /etc/doorpanel /etc/doorpanel/doorpanel.toml
if command -v udevadm >/dev/null; then
	if ! { udevadm control --reload && udevadm trigger --subsystem-match=gpio --subsystem-match=spidev; } 2>/dev/null; then
		say "notice       device permissions change at the next boot"
	fi
fi
if [ ! -d /run/systemd/system ]; then
	say "done; systemd does not run here, so the service was neither enabled nor started"
	exit 0
fi
systemctl daemon-reload
systemctl enable doorpanel.service
if ! /usr/local/bin/doorpanel check --config /etc/doorpanel/doorpanel.toml; then
	stop "installed, but not started: mend /etc/doorpanel/doorpanel.toml as told above, then 'sudo systemctl restart doorpanel'"
fi
if [ "$start" = no ]; then
	say "done; the panel starts at the next boot, or with 'sudo systemctl start doorpanel'"
	exit 0
fi
systemctl restart doorpanel.service
say "done; 'systemctl status doorpanel' shows how it is, 'journalctl -u doorpanel' what it says"
