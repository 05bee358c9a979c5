#!/bin/sh
# A snapshot taken on the host between two writes of the guest: mounted beside the original, cloned, compared, rolled back to.
#   snapshot-between.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
RAW_MIB=256 # the file system ends there; behind it lie blocks that the guest writes itself
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
run mkfs.ext4 -q -F $D ${RAW_MIB}M
run mount $D /mnt
echo before >/mnt/f
dd if=/dev/urandom of=/mnt/old bs=1M count=8 2>/dev/null
(cd /mnt && sha256sum f old) >/root/SUMS
run fsfreeze -f /mnt # flushes to the LUN and holds writers
run snaplun snapshot create disk0 s1
run fsfreeze -u /mnt
echo after >/mnt/f
dd if=/dev/urandom of=/mnt/old bs=1M count=8 conv=notrunc 2>/dev/null
echo new >/mnt/new
run sync
(cd /mnt && sha256sum f old new) >/root/SUMS.after

run snaplun snapshot map disk0@s1
S=$(lun_of disk0@s1)
E=$(wait_disk "$IQN" "$S") || exit 1 # nobody asked for a rescan: the target's message did
say "the snapshot is LUN $S, $E"
[ "$(cat /sys/block/${E##*/}/ro)" = 1 ] || fail "the snapshot is not read-only"
mkdir /run/snapshot /run/clone
run mount -o ro,noload $E /run/snapshot
[ ! -e /run/snapshot/new ] || fail "the snapshot holds a file written after it"
(cd /run/snapshot && sha256sum -c /root/SUMS) || fail "the snapshot does not hold what was written before it"
(cd /mnt && sha256sum -c --quiet /root/SUMS.after) || fail "the original lost what was written after the snapshot"

run snaplun snapshot clone disk0@s1 copy
C=$(wait_disk "$IQN" "$(lun_of copy)") || exit 1
say "the clone is $C"
run mount $C /run/clone
(cd /run/clone && sha256sum -c --quiet /root/SUMS) || fail "the clone does not hold what the snapshot does"
dd if=/dev/urandom of=/run/clone/own bs=1M count=4 2>/dev/null
echo clone >/run/clone/f
run sync
[ "$(cat /mnt/f)" = after ] || fail "a write to the clone shows in the original"
run umount /run/clone
run e2fsck -fn $C
blockdev --flushbufs $E
[ ! -e /run/snapshot/own ] || fail "a write to the clone shows in the snapshot"
(cd /run/snapshot && sha256sum -c --quiet /root/SUMS) || fail "the snapshot changed"
run umount /run/snapshot
run umount /mnt

# What the guest writes between two snapshots, and no more, is their difference.
run snaplun snapshot create disk0 d1
for mib in 300 301 310; do dd if=/dev/urandom of=$D bs=1M seek=$mib count=1 oflag=direct 2>/dev/null || fail "write at $mib MiB"; done
run dd if=/dev/urandom of=$D bs=4k seek=81920 count=3 oflag=direct # at 320 MiB
run blkdiscard -o $((330 << 20)) -l 65536 $D # nothing was there: no difference
run snaplun snapshot create disk0 d2
run dd if=/dev/urandom of=$D bs=4k seek=87040 count=1 oflag=direct # at 340 MiB, after d2
printf '%s %s\n' $((300 << 20)) $((2 << 20)) $((310 << 20)) $((1 << 20)) $((320 << 20)) 12288 >/root/written
snaplun snapshot diff disk0@d1 disk0@d2 >/root/diff || fail "snapshot diff"
run cmp /root/written /root/diff
printf '%s %s\n' $((340 << 20)) 4096 >/root/written
snaplun snapshot diff disk0@d2 disk0 >/root/diff || fail "snapshot diff"
run cmp /root/written /root/diff

# The session stays logged in; nothing of the disk is cached, because nothing has it open.
snaplun snapshot rollback disk0@s1 && fail "a rollback under a logged-in initiator was not refused without --force"
run snaplun snapshot rollback disk0@s1 --force
run mount $D /mnt
(cd /mnt && sha256sum -c --quiet /root/SUMS) || fail "the rollback did not bring back what was there"
[ ! -e /mnt/new ] || fail "the rollback left a file written later"
run umount /mnt
run e2fsck -fn $D
run dd if=$D of=/root/rolled bs=1M skip=300 count=1 iflag=direct
run cmp -n 1048576 /root/rolled /dev/zero
run logout "$IQN"
no_kernel_errors
say "snapshot-between: OK"
