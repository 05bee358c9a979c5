#!/bin/sh
# A snapshot taken on the host between two writes of the guest, then mounted beside the original.
# The host's side knows `snapshot NAME` and `map NAME`, which answers with the LUN number.    snapshot-between.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
run mkfs.ext4 -q -F $D
run mount $D /mnt
echo before >/mnt/f
dd if=/dev/urandom of=/mnt/old bs=1M count=8 2>/dev/null
(cd /mnt && sha256sum f old) >/root/SUMS
run fsfreeze -f /mnt # flushes to the LUN and holds writers
host snapshot s1 || fail "snapshot refused"
run fsfreeze -u /mnt
echo after >/mnt/f
dd if=/dev/urandom of=/mnt/old bs=1M count=8 conv=notrunc 2>/dev/null
echo new >/mnt/new
run sync
S=$(host map s1) || fail "map refused"
rescan
E=$(wait_disk "$IQN" "$S") || exit 1
say "the snapshot is LUN $S, $E"
[ "$(cat /sys/block/${E##*/}/ro)" = 1 ] || fail "the snapshot is not read-only"
mkdir /run/snapshot
run mount -o ro,noload $E /run/snapshot
[ ! -e /run/snapshot/new ] || fail "the snapshot holds a file written after it"
(cd /run/snapshot && sha256sum -c /root/SUMS) || fail "the snapshot does not hold what was written before it"
[ "$(cat /mnt/f)" = after ] || fail "the original lost what was written after the snapshot"
run umount /run/snapshot
run umount /mnt
run e2fsck -fn $D
run logout "$IQN"
say "snapshot-between: OK"
