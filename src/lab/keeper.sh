# Keeps one host: run by `unshare --mount`, so that the machine's mounts stay as they are.
# $1 the root that the host begins as, $2 the folder of what it changes, $3 its name, $4 what boots it, $5 the store,
# $6 images that it shares, $7 what its control group is called.
# Prints the process id of the outer end of its namespaces. The host ends when standard input does, whoever closed it.
set -eu
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# What a keeper left that was killed itself.
for group in /sys/fs/cgroup/wharf-lab-*; do
    [ -e "/proc/${group##*-}" ] || rmdir "$group"/* "$group" 2>/dev/null || true
done
own=/sys/fs/cgroup/wharf-lab-$7-$$
mkdir "$own"
(
    read -r me _ < /proc/self/stat
    echo "$me" > "$own/cgroup.procs"
    exec setpriv --pdeathsig KILL \
        unshare --mount --uts --ipc --pid --cgroup --net --fork --kill-child sh -c "$4" boot "$1" "$2" "$3" "$5" "$6"
) < /dev/null > "$2/console" 2>&1 &
host=$!
echo "$host"
cat > /dev/null || true
kill -KILL "$host" 2>/dev/null || true
wait "$host" 2>/dev/null || true
for try in 1 2 3 4 5 6 7 8 9 10; do
    [ ! -e "$own" ] || find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
done
