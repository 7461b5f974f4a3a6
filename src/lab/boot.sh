# From new namespaces to a host's own init. $1 the root that it begins as, $2 the folder of what it changes, $3 its name,
# $4 the store of images that it sees at /mnt/store, $5 what it shares with others at /mnt/images.
set -eu
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# An overlay is no place for the layers of another.
mkdir -p var/lib/containers mnt/store mnt/images
mount --bind "$2/containers" var/lib/containers
mount --bind "$2/home" home
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/net
for device in null zero full random urandom tty fuse net/tun; do
    [ -e "/dev/$device" ] || continue
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${stream%%:*}" "dev/${stream#*:}"
done
hostname "$3"
ip link set lo up
[ -z "$4" ] || mount --bind -o ro "$4" mnt/store
[ -z "$5" ] || mount --bind "$5" mnt/images
mkdir run/old
pivot_root . run/old
exec chroot . sh -c 'umount -l /run/old && rmdir /run/old && exec env -i container=podman \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /sbin/init' < /dev/null
