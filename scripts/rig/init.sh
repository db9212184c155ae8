#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual board: brings up the devices, runs /scenario, tells its exit status on the serial
# line and switches off.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t debugfs debugfs /sys/kernel/debug
ip link set lo up

for module in configfs gpio-sim evdev uinput spi-far; do
  modprobe "$module" || echo "rig: cannot load $module"
done
grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config

# One chip with the panel's wires. The names are what the panel's configuration calls them.
chip=/sys/kernel/config/gpio-sim/board
mkdir -p $chip/bank
echo 16 > $chip/bank/num_lines
echo panel > $chip/bank/label
n=0
for line in BUTTON1 BUTTON2 EXIT FIRE CONTACT TAMPER SERVICE CONTACT2 STRIKE STRIKE-LOW MAGNET EXIT2 FEEDBACK - OUT IN; do
  if [ $line != - ]; then
    mkdir $chip/bank/line$n
    echo $line > $chip/bank/line$n/name
  fi
  n=$((n + 1))
done
echo 1 > $chip/live

# Wires that rest high on a real board, by a resistor: buttons to ground, and a relay that is active low.
bank=/sys/devices/platform/$(cat $chip/dev_name)/$(cat $chip/bank/chip_name)
for n in 0 1 2 9 11; do echo pull-up > "$bank/sim_gpio$n/pull"; done

echo "rig: up after $(cut -d' ' -f1 /proc/uptime) s, $(uname -rm)"
/scenario
echo "rig-exit $?"
poweroff -f
