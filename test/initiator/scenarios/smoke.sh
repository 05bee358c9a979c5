#!/bin/sh
# Discover, log in, make a file system, write, read back after a remount, check, log out.    smoke.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
discover | tee /root/found
grep -q "$IQN" /root/found || fail "SendTargets does not name $IQN"
iscsiadm -m node -o delete >/dev/null 2>&1 # the records it made hold the address the target was asked at, or advertises
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
say "disk $D: $(blockdev --getsize64 $D) bytes, $(blockdev --getss $D)/$(blockdev --getpbsz $D) byte sectors"
run mkfs.ext4 -q -F $D
run mount $D /mnt
dd if=/dev/urandom of=/mnt/big bs=1M count=16 2>/dev/null
mkdir /mnt/d
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/d/f$i bs=4k count=$((i * 8)) 2>/dev/null; done
(cd /mnt && sha256sum big d/*) >/root/SUMS
run umount /mnt
blockdev --flushbufs $D
echo 3 >/proc/sys/vm/drop_caches
run e2fsck -fn $D
run mount $D /mnt
(cd /mnt && sha256sum -c --quiet /root/SUMS) || fail "checksums after the remount"
run umount /mnt
run logout "$IQN"
no_kernel_errors
say "smoke: OK"
