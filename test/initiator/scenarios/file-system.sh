#!/bin/sh
# A disk's whole day: what it says of itself, mkfs, files with checksums, fio with verification, fstrim, remount, check.
#   file-system.sh IQN LUN ext4|xfs FIO_SECONDS
. /lib.sh
IQN=$1 LUN=$2 TYPE=$3 SECONDS_OF_FIO=$4
MIB_OF_FIO=96
make() {
	case $TYPE in
	ext4) run mkfs.ext4 -q -F $D ;;
	xfs) run mkfs.xfs -q -f $D ;;
	esac
}
check() {
	case $TYPE in
	ext4) run e2fsck -fn $D ;;
	xfs) run xfs_repair -n $D ;;
	esac
}
pool_used() { snaplun --json pool status | sed -n 's/.*"usedBytes": *\([0-9]*\).*/\1/p'; }
pool_uses_less_than() { [ "$(pool_used)" -lt "$1" ]; }
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
make
run mount $D /mnt
say "mkfs and mount: $start to $(now)"
mkdir /mnt/d
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/d/f$i bs=64k count=$((i * 8)) 2>/dev/null; done
dd if=/dev/urandom of=/mnt/big bs=1M count=48 2>/dev/null
(cd /mnt && sha256sum big d/*) >/root/SUMS
run sync
run fio --name=v --filename=/mnt/fio.dat --size=${MIB_OF_FIO}m --rw=randrw --bs=4k --iodepth=16 --ioengine=libaio --direct=1 \
	--verify=crc32c --verify_fatal=1 --verify_backlog=1024 --time_based --runtime=$SECONDS_OF_FIO --output-format=normal --group_reporting
rm /mnt/fio.dat
sync
before=$(pool_used)
run fstrim -v /mnt
# Blocks are free once what freed them is durable, which takes the pool a moment.
wait_for 30 pool_uses_less_than $((before - (MIB_OF_FIO - 8) * 1048576)) || fail "the pool used $before bytes, now $(pool_used)"
say "pool: $before bytes used before fstrim, $(pool_used) after"
run umount /mnt
blockdev --flushbufs $D
echo 3 >/proc/sys/vm/drop_caches
check
run mount $D /mnt
(cd /mnt && sha256sum -c /root/SUMS) || fail "checksums after the remount"
run umount /mnt
run logout "$IQN"
no_kernel_errors
say "$TYPE: OK"
