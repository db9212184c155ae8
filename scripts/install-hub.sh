#!/bin/sh
# Puts the hub on a box: binary, configuration and systemd unit, run by the unprivileged user doorhub. It may be run again at
# any time: an existing configuration stays as it is, the binary and the unit are renewed.
set -eu

usage() {
	cat <<'END'
usage: install-hub.sh [--binary FILE] [--config FILE] [--root DIR] [--no-start]

  --binary FILE  the doorhub program for this box       (default: bin/doorhub beside scripts/)
  --config FILE  first configuration                    (default: one that the network reaches, from configs/hub.toml)
  --root DIR     install below DIR, as for an image: no users or services are touched
  --no-start     enable the service, but leave starting it to the next boot

examples:
  sudo scripts/install-hub.sh --binary dist/doorhub-linux-amd64
  scripts/install-hub.sh --root /tmp/image --binary dist/doorhub-linux-arm64
END
}

say() { printf '%s\n' "$*"; }
stop() {
	printf 'install-hub.sh: %s\n' "$*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
binary=$here/../bin/doorhub
config=
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
if [ -n "$config" ] && [ ! -f "$config" ]; then
	stop "cannot find the configuration $config: name another one with --config"
fi
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
	stop "cannot change this system as $(id -un): run it with sudo, or try it with --root DIR"
fi
if [ -z "$root" ] && ! "$binary" version >/dev/null 2>&1; then
	stop "cannot run $binary on this box ($(uname -m)): take the program that was built for it"
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
	if getent passwd doorhub >/dev/null; then
		say "as it was    user doorhub"
	else
		useradd --system --user-group --home-dir /var/lib/doorhub --no-create-home --shell /usr/sbin/nologin doorhub
		say "made         user doorhub"
	fi
fi

put 0755 "$binary" "$root/usr/local/bin/doorhub"
if [ -e "$root/etc/doorhub/hub.toml" ]; then
	say "kept         $root/etc/doorhub/hub.toml"
elif [ -n "$config" ]; then
	put 0640 "$config" "$root/etc/doorhub/hub.toml"
else
	first=$(mktemp)
	trap 'rm -f "$first"' EXIT
	sed -e 's|^data = .*|data = "/var/lib/doorhub"|' -e 's|^listen = "127.0.0.1:8090".*|listen = "0.0.0.0:8443"         # HTTPS with the hub'"'"'s own authority|' \
		"$here/../configs/hub.toml" >"$first"
	put 0640 "$first" "$root/etc/doorhub/hub.toml"
fi
chmod 0750 "$root/etc/doorhub"
put 0644 "$here/doorhub.service" "$root/etc/systemd/system/doorhub.service"

if [ -n "$root" ]; then
	say "done below $root; the user and the service are made when this runs on the box itself"
	exit 0
fi

chgrp doorhub /etc/doorhub /etc/doorhub/hub.toml
if [ ! -d /run/systemd/system ]; then
	say "done; systemd does not run here, so the service was neither enabled nor started"
	exit 0
fi
systemctl daemon-reload
systemctl enable doorhub.service
if ! /usr/local/bin/doorhub check --config /etc/doorhub/hub.toml; then
	stop "installed, but not started: mend /etc/doorhub/hub.toml as told above, then 'sudo systemctl restart doorhub'"
fi
if [ "$start" = no ]; then
	say "done; the hub starts at the next boot, or with 'sudo systemctl start doorhub'"
	exit 0
fi
systemctl restart doorhub.service
say "done; 'journalctl -u doorhub' shows the code for the first login"
