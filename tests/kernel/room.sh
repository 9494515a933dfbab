#!/bin/sh
# The first process of the room that room.py makes: a root of its own in memory, in which the machine's folders appear
# and nothing can be written but /run, /tmp, /mnt, the server's state and the folder that is shared with room.py.
# User-Mode Linux hands the words of its command line that it does not know to this process as environment variables.
# The root is in memory because hostfs, which User-Mode Linux begins with, has no file handles: nfsd could not walk
# from it to an export.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8

[ "$ROOM_KERNEL" = machine ] || mount -t proc proc /proc
mount --make-rprivate /
root=/mnt
mount -t tmpfs -o mode=755 room $root
for path in /*; do
    case ${path#/} in
        proc | sys | dev | run | tmp | mnt) mkdir "$root$path" ;;
        *)
            if [ -L "$path" ]; then
                cp -P "$path" $root
            elif [ -d "$path" ]; then
                mkdir "$root$path"
                mount --rbind "$path" "$root$path"
            fi
            ;;
    esac
done
mkdir -p "$root$ROOM_PROJECT" "$root$ROOM_SHARED"
mount --bind "$ROOM_PROJECT" "$root$ROOM_PROJECT"
if [ "$ROOM_KERNEL" = machine ]; then
    mount --rbind /dev $root/dev
    mount --bind "$ROOM_SHARED" "$root$ROOM_SHARED"
else
    mount -t devtmpfs dev $root/dev
    mount -t hostfs -o "$ROOM_SHARED" shared "$root$ROOM_SHARED"
fi
mount -t proc proc $root/proc
mount -t sysfs sys $root/sys
mount -t tmpfs nfs $root/var/lib/nfs
mkdir $root/.machine
cd $root
pivot_root . .machine
umount -l /.machine
chmod 1777 /tmp

if [ "$ROOM_KERNEL" != machine ]; then
    mkdir -p /run/kernel/lib/modules
    ln -s "/usr/lib/uml/modules/$(uname -r)" /run/kernel/lib/modules/
    printf '#!/bin/sh\nexec /sbin/modprobe -d /run/kernel "$@"\n' >/run/modprobe
    chmod 755 /run/modprobe
    echo /run/modprobe >/proc/sys/kernel/modprobe
fi
ip link set lo up
cd "$ROOM_PROJECT"
status=0
sh "$ROOM_SHARED/command" >"$ROOM_SHARED/output" 2>&1 </dev/null || status=$?
echo $status >"$ROOM_SHARED/status"
if [ "$ROOM_KERNEL" != machine ]; then
    echo o >/proc/sysrq-trigger
    sleep 60
fi
