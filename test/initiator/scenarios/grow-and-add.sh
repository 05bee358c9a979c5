#!/bin/sh
# Under load: the disk grows and the file system on it, a LUN comes and shows by itself, is used, and goes away under writes.
#   grow-and-add.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
LUN_GONE='Logical unit not supported'
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
B=/sys/block/${D##*/}
run mkfs.ext4 -q -F $D
run mount $D /mnt
fio --name=load --filename=/mnt/load --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c \
	--verify_backlog=64 --verify_fatal=1 --time_based --runtime=40 --group_reporting --eta=never --output=/root/fio &
FIO=$!
sleep 3

old=$(blockdev --getsize64 $D)
run snaplun lun resize disk0 768M
wait_for 10 sh -c "dmesg | grep 'Capacity data has changed'" || fail "no unit attention told of the new size"
rescan # the kernel only tells; udev rules or the operator rescan
wait_for 10 sh -c "[ \$(cat $B/size) = $((768 * 2048)) ]" || fail "the disk has $(cat $B/size) sectors"
run resize2fs $D
df=$(stat -f -c '%b %S' /mnt | awk '{print $1 * $2}')
[ "$df" -gt "$old" ] || fail "the file system did not grow: $df bytes"
say "grown from $old to $(blockdev --getsize64 $D) bytes, file system $df"
dd if=/dev/urandom of=/root/x bs=1M count=8 2>/dev/null

for round in 1 2 3; do
	run snaplun lun create more --size 64M
	N=$(lun_of more)
	E=$(wait_disk "$IQN" "$N") || exit 1 # nobody asked for a rescan
	say "LUN $N came as $E"
	run dd if=/root/x of=$E bs=1M oflag=direct
	run dd if=$E of=/root/y bs=1M count=8 iflag=direct
	run cmp /root/x /root/y
	snaplun lun delete more && fail "a LUN under a logged-in initiator was deleted without --force"
	before=$(writes_of $E)
	while dd if=/root/x of=$E bs=64k oflag=direct 2>/dev/null; do :; done &
	WRITER=$!
	wait_for 10 wrote_since $E $before || fail "nothing is written to $E"
	run snaplun lun delete more --force
	wait $WRITER # it ends when a write fails
	dd if=$E of=/root/y bs=4k count=1 iflag=direct 2>/dev/null && fail "a LUN that is gone was read"
	sg_turs -v ${E} 2>&1 | tee /root/turs
	grep -qi "$LUN_GONE" /root/turs || fail "not the answer of a LUN that is gone"
	echo 1 >/sys/block/${E##*/}/device/delete
	rescan
	disk_of "$IQN" "$N" && fail "a rescan found the LUN that is gone"
done
kill -0 $FIO || fail "the load ended too early to be one"
wait $FIO
status=$?
grep -E 'err=|READ:|WRITE:|verify' /root/fio
[ $status = 0 ] || fail "fio ended with $status"
run umount /mnt
run e2fsck -fn $D
run logout "$IQN"
if dmesg | grep -E "I/O error, dev ${D##*/}|conn error|EXT4-fs error"; then fail "the load suffered"; fi
say "grow-and-add: OK"
