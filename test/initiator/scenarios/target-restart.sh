#!/bin/sh
# The target goes away under load, killed and then stopped, and comes back: I/O goes on by itself and every verified block is
# right. Then it is gone for longer than the replacement timeout: I/O fails, and works again afterwards.
#   target-restart.sh IQN LUN REPLACEMENT_TIMEOUT
. /lib.sh
IQN=$1 LUN=$2 REPLACEMENT_TIMEOUT=$3
run add_node "$IQN"
set_node "$IQN" node.session.timeo.replacement_timeout "$REPLACEMENT_TIMEOUT"
set_node "$IQN" 'node.conn[0].timeo.noop_out_interval' 2
set_node "$IQN" 'node.conn[0].timeo.noop_out_timeout' 2
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
STATE=$(echo /sys/class/iscsi_session/session*/state)
writes() { awk '{print $5}' /sys/block/${D##*/}/stat; } # completed
wrote_since() { [ "$(writes)" -gt "$1" ]; }
# restart kill|stop: under fio; says how long no write completed
restart() {
	fio --name=r --filename=$D --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c \
		--verify_backlog=64 --verify_fatal=1 --time_based --runtime=20 --group_reporting --eta=never --output=/root/fio &
	FIO=$!
	sleep 6
	gone=$(now)
	run host "$1" # a stop is graceful: the initiator is asked to log out
	wait_for 30 sh -c "! grep -q LOGGED_IN $STATE" || fail "the session did not notice"
	run host start
	up=$(now)
	before=$(writes)
	wait_for 60 grep -q LOGGED_IN $STATE || fail "no reconnection"
	wait_for 60 wrote_since $before || fail "no write after the reconnection"
	say "$1: gone at $gone, there again at $up, the next write was done by $(now)"
	wait $FIO
	status=$?
	grep -E 'err=|READ:|WRITE:|verify' /root/fio
	[ $status = 0 ] || fail "fio ended with $status"
	say "I/O went on over a restart of the target ($1)"
}
restart kill
dmesg -c >/root/dmesg.kill
restart stop
dmesg -c >/root/dmesg.stop
grep 'conn error' /root/dmesg.kill || fail "the kill was no lost connection"
grep 'conn error' /root/dmesg.stop && fail "a graceful stop cut the connection instead of having the initiator log out"
run host kill
dd if=$D of=/dev/null bs=4k count=1 iflag=direct 2>&1 && fail "I/O succeeded without a target"
run host start
wait_for 90 grep -q LOGGED_IN $STATE || fail "no reconnection"
wait_for 20 grep -q running /sys/block/${D##*/}/device/state
run dd if=$D of=/dev/null bs=4k count=1 iflag=direct
run logout "$IQN"
say "target-restart: OK"
