#!/bin/busybox sh
[ -e /bin/sh ] || /bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
stty -echo
for m in /modules/*.ko; do insmod $m; done
sleep 1

# Each input device writes the key that is pressed: struct input_event has its code at 18.
for e in /dev/input/event*; do
	(dd if=$e bs=24 count=1 of=/tmp/${e##*/} 2>/dev/null; hexdump -v -s 18 -n 2 -e '1/2 "%d\n"' /tmp/${e##*/} >/tmp/key.${e##*/}) &
done

battery=$(echo /sys/class/power_supply/*/capacity)

# Looks at the battery until it changes, and counts; a guest that is stopped doesn't look.
look() {
	was=$(cat $battery); looks=0; longest=0
	clock; last=$now
	while is=$(cat $battery); clock; do
		[ $((now - last)) -le $longest ] || longest=$((now - last))
		last=$now
		[ "$is" = "$was" ] || break
		looks=$((looks + 1))
		[ $looks != 1 ] || echo "$was %"
	done
	echo "$is %, after $looks looks, at most ${longest}0 ms apart"
}
clock() { read -r up idle </proc/uptime; now=${up%.*}${up#*.}; } # hundredths of a second

echo end
while read -r command value; do
	case $command in
	kernel) uname -rm;;
	tables) ls /sys/firmware/acpi/tables | grep -v '[a-z]' | tr '\n' ' '; echo;;
	battery)
		# The kernel hears of a change when it gets to it.
		while [ -n "$value" ] && [ "$(cat $battery)" != "$value" ]; do sleep 0.1; done
		echo "$(cat $battery) %, $(cat ${battery%capacity}status)";;
	look)
		rm -f /tmp/looks; look >/tmp/looks &
		looking=$!
		until [ -s /tmp/looks ]; do sleep 0.1; done
		cat /tmp/looks;;
	changed)
		wait $looking
		tail -n 1 /tmp/looks;;
	cpus) cat /sys/devices/system/cpu/online;;
	online)
		for c in /sys/devices/system/cpu/cpu[0-9]*/online; do [ "$(cat $c)" = 1 ] || echo 1 >$c; done
		cat /sys/devices/system/cpu/online;;
	key)
		until cat /tmp/key.* 2>/dev/null | grep .; do sleep 0.1; done;;
	off) poweroff -f;;
	esac
	echo end
done
