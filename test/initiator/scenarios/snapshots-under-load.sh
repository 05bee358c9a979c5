#!/bin/sh
# A snapshot every second under load, with nothing frozen: each one mounts after the replay of its journal, holds what was
# durable before it, and passes fsck.    snapshots-under-load.sh IQN LUN COUNT
. /lib.sh
IQN=$1 LUN=$2 COUNT=$3
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
run mkfs.ext4 -q -F $D
run mount $D /mnt
fio --name=load --directory=/mnt --size=16m --rw=randwrite --bs=4k --ioengine=psync --fsync=32 --time_based --runtime=600 \
	--eta=never --output=/root/fio &
FIO=$!
count_up /mnt
wait_for 30 sh -c '[ "$(cat /run/counted)" -ge 3 ]' || fail "nothing is counted"
start=$(now)
host every-second disk0 $COUNT >/root/marks || fail "a snapshot: $(cat /root/marks)"
say "$COUNT snapshots from $start to $(now), counted to $(counted)"
kill -0 $FIO || fail "the load ended too early to be one"
kill $FIO
wait $FIO
stop_counting
grep -E 'err=|WRITE:' /root/fio
run umount /mnt
counted=$(counted)
held=0 # by the snapshot before
for i in $(seq $COUNT); do
	N=$(snaplun snapshot clone disk0@s$i c$i | sed -n 's/.* LUN \([0-9]*\) of .*/\1/p')
	C=$(wait_disk "$IQN" "$N") || exit 1
	mount $C /mnt || fail "snapshot $i does not mount"
	marked=$(sed -n ${i}p /root/marks)
	counter_is_between $((marked > held ? marked : held)) $counted
	held=$(cat /mnt/counter)
	umount /mnt
	e2fsck -fn $C >/root/fsck 2>&1 || {
		cat /root/fsck
		fail "fsck of snapshot $i"
	}
done
[ "$(dmesg | grep -c 'recovery complete')" = "$COUNT" ] || fail "not every snapshot had a journal to replay: nothing was shown"
run logout "$IQN"
no_kernel_errors
say "snapshots-under-load: OK"
