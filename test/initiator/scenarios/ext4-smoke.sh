#!/bin/sh
# A disk's whole day: what it says of itself, ext4, files with checksums, fio with verification, fstrim, remount, check.
#   ext4-smoke.sh IQN LUN FIO_SECONDS
. /lib.sh
IQN=$1 LUN=$2 SECONDS_OF_FIO=$3
discover || fail discovery
iscsiadm -m node -o delete >/dev/null 2>&1
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
B=/sys/block/${D##*/}
say "disk $D: $(blockdev --getsize64 $D) bytes, $(blockdev --getss $D)/$(blockdev --getpbsz $D) byte sectors"
run sg_inq $D
for page in sv di bl lbpv; do run sg_vpd -p $page $D; done
sg_readcap -l $D | head -12
run sg_persist --no-inquiry --in --report-capabilities $D
run sg_persist --no-inquiry --in --read-keys $D
say "queue: $(cd $B/queue && grep . discard_granularity discard_max_bytes max_sectors_kb write_cache fua physical_block_size minimum_io_size optimal_io_size | tr '\n' ' ')"
say "provisioning_mode: $(cat $B/device/scsi_disk/*/provisioning_mode)"
[ "$(cat $B/queue/discard_max_bytes)" -gt 0 ] || fail "the kernel would not discard"
iscsiadm -m session -P3

start=$(now)
run mkfs.ext4 -q -F $D
run mount $D /mnt
say "mkfs and mount: $start to $(now)"
mkdir /mnt/d
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/d/f$i bs=64k count=$((i * 8)) 2>/dev/null; done
dd if=/dev/urandom of=/mnt/big bs=1M count=48 2>/dev/null
(cd /mnt && sha256sum big d/*) >/root/SUMS
run sync
run fio --name=v --filename=/mnt/fio.dat --size=96m --rw=randrw --bs=4k --iodepth=16 --ioengine=libaio --direct=1 \
	--verify=crc32c --verify_fatal=1 --verify_backlog=1024 --time_based --runtime=$SECONDS_OF_FIO --output-format=normal --group_reporting
rm /mnt/fio.dat
sync
run fstrim -v /mnt
run umount /mnt
blockdev --flushbufs $D
echo 3 >/proc/sys/vm/drop_caches
run e2fsck -fn $D
run mount $D /mnt
(cd /mnt && sha256sum -c /root/SUMS) || fail "checksums after the remount"
run umount /mnt
run logout "$IQN"
no_kernel_errors
say "ext4-smoke: OK"
