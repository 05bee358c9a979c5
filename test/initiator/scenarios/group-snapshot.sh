#!/bin/sh
# Snapshots of two LUNs at one point in time, under load and without freezing. One file system lies on both, its data on the one
# and its journal on the other: every snapshot mounts and is clean. Behind it, one number after the other goes to a block of the
# first LUN, and when it is written there, to one of the second: no snapshot sees the second ahead, or more than one behind.
#   group-snapshot.sh IQN LUN COUNT
. /lib.sh
IQN=$1 LUN=$2 COUNT=$3
DATA_MIB=192 JOURNAL_MIB=24 # of the file system; a MiB further lies the block with the number
run snaplun lun create journal --size 32M
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
J=$(wait_disk "$IQN" "$(lun_of journal)") || exit 1
run mke2fs -q -F -b 4096 -O journal_dev $J ${JOURNAL_MIB}M
run mkfs.ext4 -q -F -b 4096 -J device=$J $D ${DATA_MIB}M
run mount $D /mnt

fio --name=load --directory=/mnt --size=16m --rw=randwrite --bs=4k --ioengine=psync --fsync=32 --time_based --runtime=600 \
	--eta=never --output=/root/fio &
FIO=$!
count_up /mnt
seq 1000000 | awk -v other=$J -v at=$((DATA_MIB + 1))m -v other_at=$((JOURNAL_MIB + 1))m '
	NR == 1 { print "open -d " other }
	{ byte = $1 % 256; printf "file 0\npwrite -q -S %d %s 4k\nfile 1\npwrite -q -S %d %s 4k\n", byte, at, byte, other_at }
' | xfs_io -d $D >/root/numbers 2>&1 &
NUMBERS=$!
number_at() { dd if=$1 bs=1M skip=$2 count=1 iflag=direct 2>/dev/null | od -An -tu1 -N1; }

for i in $(seq $COUNT); do
	sleep 3
	from=$(counted)
	run snaplun snapshot create disk0,journal g$i
	echo $from $(counted) >/run/counted.$i
done
kill -0 $FIO && kill -0 $NUMBERS || fail "the load ended too early to be one: $(tail -3 /root/numbers)"
kill $FIO $NUMBERS
wait $FIO $NUMBERS
stop_counting
grep -E 'err=|WRITE:' /root/fio
run umount /mnt

for i in $(seq $COUNT); do
	run snaplun snapshot clone disk0@g$i data$i
	run snaplun snapshot clone journal@g$i journal$i
	C=$(wait_disk "$IQN" "$(lun_of data$i)") || exit 1
	K=$(wait_disk "$IQN" "$(lun_of journal$i)") || exit 1
	number=$(($(number_at $C $((DATA_MIB + 1))))) other=$(($(number_at $K $((JOURNAL_MIB + 1)))))
	say "the numbers are $number and $other"
	case $(((256 + number - other) % 256)) in
	0 | 1) ;;
	*) fail "the two LUNs were not snapshotted at one point in time" ;;
	esac
	run mount -o journal_path=$K $C /mnt
	counter_is_between $(cat /run/counted.$i)
	run umount /mnt
	run e2fsck -fn -j $K $C
done
[ "$(dmesg | grep -c 'recovery complete')" = "$COUNT" ] || fail "not every snapshot had a journal to replay: nothing was shown"
run logout "$IQN"
no_kernel_errors
say "group-snapshot: OK"
