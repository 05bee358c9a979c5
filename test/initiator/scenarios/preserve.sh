#!/bin/sh
# A second VLUN that follows the first from the middle of fio: it shows by itself, a second guest mounts it and writes, and
# rules P3 to P5 (ARCHITECTURE.md) hold block by block.    preserve.sh IQN LUN
#   0-63 MiB     a file system, mounted by the second guest for writing and by the first for reading
#   64-95 MiB    the first guest's fio
#   96-127 MiB   the second guest's fio, through the second VLUN
#   128 MiB      blocks written one by one
. /lib.sh
IQN=$1 LUN=$2
FS_MIB=64
load() { # load OFFSET_MIB SECONDS
	fio --name=load --filename=$D --offset=${1}m --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 \
		--verify=crc32c --verify_backlog=64 --verify_fatal=1 --time_based --runtime=$2 --group_reporting --eta=never --output=/root/fio &
	FIO=$!
}
load_ends() {
	wait $FIO
	status=$?
	grep -E 'err=|READ:|WRITE:|verify' /root/fio
	[ $status = 0 ] || fail "fio ended with $status"
}
# put BLOCK BYTE: 4 KiB of that byte at 4 KiB block BLOCK behind 128 MiB; holds BLOCK BYTE: whether it is there
pattern() { head -c ${2:-4096} /dev/zero | tr '\0' "$1"; }
put() { pattern "$2" | dd of=$D bs=4k seek=$((32768 + $1)) count=1 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null; }
put_half() { pattern "$2" 512 | dd of=$D bs=512 seek=$(((32768 + $1) * 8)) count=1 oflag=direct conv=notrunc 2>/dev/null; }
holds() {
	dd if=$D of=/root/block bs=4k skip=$((32768 + $1)) count=1 iflag=direct 2>/dev/null
	pattern "$2" >/root/wanted
	cmp -s /root/block /root/wanted || fail "block $1 is not all '$2': $(tr -s 'a-zA-Z' </root/block | head -c 16)"
}
run login "$IQN"

first() {
	D=$(wait_disk "$IQN" "$LUN") || exit 1
	run mkfs.ext4 -q -F $D ${FS_MIB}M
	run mount $D /mnt
	dd if=/dev/urandom of=/mnt/old bs=1M count=8 2>/dev/null
	(cd /mnt && sha256sum old >SUMS)
	run umount /mnt
	for block in 0 1 2 3 4; do put $block A; done
	load 64 60
	sleep 3
	run snaplun preserve disk0 side
	E=$(wait_disk "$IQN" "$(lun_of side)") || exit 1 # nobody asked for a rescan
	say "the second VLUN shows as $E"
	meet preserved
	meet second-wrote
	for block in 0 1 2 3 4; do holds $block A; done # P4: nothing of the second's
	put 1 C                                        # P5 where the second has an entry
	put 2 C                                        # and where it has none
	put_half 3 C                                   # part of a block for which the second has an entry
	meet first-wrote
	run mount -o ro,noload $D /mnt
	(cd /mnt && sha256sum -c SUMS) || fail "the file system changed under the first VLUN"
	[ ! -e /mnt/side ] || fail "the first VLUN holds the second's file"
	run umount /mnt
	kill -0 $FIO || fail "the load ended too early to be one"
	load_ends
	meet loads-ended
	# What is nobody else's the second reads as the first left it.
	sha=$(dd if=$D bs=1M skip=64 count=8 iflag=direct 2>/dev/null | sha256sum)
	blockdev --flushbufs $E
	[ "$sha" = "$(dd if=$E bs=1M skip=64 count=8 iflag=direct 2>/dev/null | sha256sum)" ] || fail "the second does not follow the first"
	cmp -s -n $((8 << 20)) -i $((96 << 20)) $D $E && fail "the second's own writes show in the first"
	run snaplun release side
	put 4 D
	meet released
}
second() {
	meet preserved
	D=$(wait_disk "$IQN" "$(lun_of side)") || exit 1
	load 96 40
	for block in 0 1 2 3 4; do holds $block A; done # P3: through to the first
	put 1 B                                        # P4
	put 3 B
	holds 1 B
	run mount $D /mnt
	(cd /mnt && sha256sum -c SUMS) || fail "mounted, the second does not hold the first's file"
	dd if=/dev/urandom of=/mnt/side bs=1M count=8 2>/dev/null
	dd if=/dev/urandom of=/mnt/old bs=1M count=4 conv=notrunc 2>/dev/null
	(cd /mnt && sha256sum old side) >/root/SUMS
	run sync
	meet second-wrote
	meet first-wrote
	holds 0 A
	holds 1 C # P5: the first wrote last
	holds 2 C
	dd if=$D of=/root/block bs=4k skip=32771 count=1 iflag=direct 2>/dev/null
	{
		pattern C 512
		pattern B 3584
	} | cmp -s - /root/block || fail "a partial write did not merge with what the second wrote"
	load_ends
	run umount /mnt
	blockdev --flushbufs $D
	run e2fsck -fn $D
	run mount $D /mnt
	(cd /mnt && sha256sum -c /root/SUMS) || fail "the second's files after a remount"
	run umount /mnt
	meet loads-ended
	meet released
	holds 4 A # it follows no more
}
case $GUEST in
1) first ;;
2) second ;;
esac
run logout "$IQN"
no_kernel_errors
say "preserve: OK"
