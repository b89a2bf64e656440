# Second half of the rig's init, process 1 on this machine's root filesystem:
# runs /run/nest/command and tells its exit code on port 3.
PATH=/run/nest/bin
/run/nest/bin/busybox --install -s $PATH # here, since the links have the path that it has now
hostname nest

# The command writes to pipes, as it would under os/exec, not to the ports:
# a port can be opened only once, and /dev/stdout must work.
mkfifo /run/nest/out /run/nest/err
cat </run/nest/out >"$stdout" 3>&- &
cats=$!
if [ -n "$merged" ]; then
	err=/run/nest/out
else
	err=/run/nest/err
	cat <$err >"$stderr" 3>&- &
	cats="$cats $!"
fi
read -r up idle </proc/uptime
echo "begin $up" >&3
env -i /run/nest/bin/busybox sh /run/nest/command </dev/null >/run/nest/out 2>$err 3>&-
code=$?

# What the command left running would keep the pipes open.
for p in /proc/[0-9]*; do
	p=${p#/proc/}
	case " 1 $cats " in
	*" $p "*) ;;
	*) [ -e "/proc/$p/exe" ] && [ "$(cat "/proc/$p/comm")" != keeper ] && kill -9 "$p" ;;
	esac
done
wait $cats
sync
echo "exit $code" >&3
poweroff -f
