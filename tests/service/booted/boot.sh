#!/bin/sh
# Boot systemd as the first process of a machine: boot.sh CGROUP DIRECTORY PACKAGES
#
# It runs in the network namespace that is to be the machine's. The machine has the programs of the one that it runs on, and
# shares nothing with it that is written to. Its units are in DIRECTORY/units and nowhere else, its logs in DIRECTORY/log.
# PACKAGES is what is installed for /usr/bin/python3. CGROUP is made, and is the root of the machine's own.
set -eu
case "${4:-outside}" in
outside)
    mkdir "$1"
    echo $$ >"$1/cgroup.procs"
    exec unshare --mount --propagation private --pid --fork --kill-child --ipc --uts --cgroup "$0" "$1" "$2" "$3" inside
    ;;
esac

purelib=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /usr/local
mkdir -p "$purelib"
mount --bind "$3" "$purelib"
mount --bind "$2/units" /etc/systemd/system
mount --bind "$2/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /mnt
for name in null zero full random urandom; do
    touch "/mnt/$name"
    mount --bind "/dev/$name" "/mnt/$name"
done
mkdir /mnt/shm
ln -s pts/ptmx /mnt/ptmx
mount --move /mnt /dev
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \
    /lib/systemd/systemd --system --show-status=no --unit=multi-user.target </dev/null
