#!/bin/busybox sh
# First half of the rig's init: drivers, the root filesystem, then stage 2 on it.
# Everything printed here goes to the serial console, the diagnostic log.
PATH=/bin
[ -e /bin/sh ] || /bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for m in /modules/*.ko; do
	insmod "$m" || echo "nest: insmod $m failed"
done

# See keeper.go: first the code that is rewritten, then the other processors.
[ ! -e /keeper ] || /keeper || echo "nest: no virtual machine can be kept"
for c in /sys/devices/system/cpu/cpu*/online; do
	echo 1 >"$c" || echo "nest: $c failed"
done

# The ports appear some time after their driver.
port() {
	n=0
	while [ $n -lt 100 ]; do
		for p in /sys/class/virtio-ports/*; do
			[ "$(cat "$p/name" 2>/dev/null)" = "$1" ] && [ -c "/dev/${p##*/}" ] && { port="/dev/${p##*/}"; return; }
		done
		sleep 0.1
		n=$((n + 1))
	done
	echo "nest: no port $1"
	poweroff -f
}
port vgraft.status && exec 3>"$port"
port vgraft.stdout && stdout=$port
port vgraft.stderr && stderr=$port
fail() {
	echo "fail $1" >&3
	poweroff -f
}

# msize: the largest that the transport takes. cache=loose: nothing is asked twice; see
# Config about files that both sides write.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose root /root || fail "mounting the root filesystem over 9p"
for d in proc sys dev; do
	mount --move /$d /root/$d || fail "moving /$d"
done
mount -t tmpfs tmpfs /root/run || fail "mounting /run"
mkdir -p /root/dev/pts /root/dev/shm /root/run/nest/bin /root/run/lock
mount -t devpts devpts /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm
for l in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
	ln -s "/proc/self/${l#*:}" "/root/dev/${l%%:*}"
done
cp /bin/busybox /root/run/nest/bin && cp /stage2 /command /root/run/nest || fail "copying to /run"
ip link set lo up
export stdout stderr
exec switch_root /root /run/nest/bin/busybox sh /run/nest/stage2
fail "switching to the root filesystem"
