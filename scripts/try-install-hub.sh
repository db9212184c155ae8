#!/usr/bin/env bash
# Really installs the hub, on a copy of this system that is forgotten afterwards: an overlay over / in name spaces of its own. It installs
# twice, starts the hub as its own user, and says what is there. As root; systemd does not run there, but reads the unit if it is installed.
set -euo pipefail

binary=${1:?usage: try-install-hub.sh PROGRAM}
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${TRY_INSTALL_INSIDE:-}" ]; then
	base=$(mktemp -d)
	trap 'rmdir "$base"' EXIT
	TRY_INSTALL_INSIDE=$base unshare --mount --pid --net --fork "$0" "$binary"
	exit
fi

base=$TRY_INSTALL_INSIDE
root=$base/root
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mkdir -p "$root/package/scripts" "$root/package/configs" "$root/package/bin" "$root/run"
cp "$here/install-hub.sh" "$here/doorhub.service" "$root/package/scripts"
cp "$here/../configs/hub.toml" "$root/package/configs"
cp "$binary" "$root/package/bin/doorhub"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run" # a systemd that runs here is none of its

chroot "$root" /bin/sh -eu <<'END'
/package/scripts/install-hub.sh
echo "== again"
/package/scripts/install-hub.sh
echo "== installed"
getent passwd doorhub
stat -c '%A %U %G %n' /etc/doorhub /etc/doorhub/hub.toml /usr/local/bin/doorhub /etc/systemd/system/doorhub.service
if command -v systemd-analyze >/dev/null; then
	systemd-analyze verify /etc/systemd/system/doorhub.service
	echo "the unit is right"
else
	echo "there is no systemd-analyze here: the unit was not looked at"
fi
/usr/local/bin/doorhub check --config /etc/doorhub/hub.toml
# As systemd would: StateDirectory, User, ExecStart.
install -d -m 0700 -o doorhub -g doorhub /var/lib/doorhub
cd /var/lib/doorhub
mkfifo /tmp/ready
setpriv --reuid doorhub --regid doorhub --init-groups --no-new-privs --inh-caps=-all /usr/local/bin/doorhub run --config /etc/doorhub/hub.toml >/tmp/ready 2>/dev/null &
echo "== running"
head -n 1 /tmp/ready
kill $!
wait $! && echo "it ended in good order"
stat -c '%A %U %G %n' /var/lib/doorhub /var/lib/doorhub/keys /var/lib/doorhub/keys/*.key
END
