#!/bin/sh
# The target is killed under load, then stopped, and each time starts again at once: I/O goes on by itself, every verified block
# is right, and the graceful way is the faster one. Then it is gone for longer than the replacement timeout: I/O fails, and works
# again afterwards.    target-restart.sh IQN LUN REPLACEMENT_TIMEOUT
. /lib.sh
IQN=$1 LUN=$2 REPLACEMENT_TIMEOUT=$3
run add_node "$IQN"
set_node "$IQN" node.session.timeo.replacement_timeout "$REPLACEMENT_TIMEOUT"
set_node "$IQN" 'node.conn[0].timeo.noop_out_interval' 2
set_node "$IQN" 'node.conn[0].timeo.noop_out_timeout' 2
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
STATE=$(echo /sys/class/iscsi_session/session*/state)
# outage kill|stop: sets OUTAGE, the seconds from then until a write was done again; the kernel's messages are in /root/dmesg
outage() {
	sleep 4
	dmesg -c >/dev/null
	gone=$(now)
	run host restart "$1"
	up=$(now)
	before=$(writes_of $D)
	wait_for 60 wrote_since $D $before || fail "no write after the target was there again"
	OUTAGE=$(awk -v from=$gone -v to=$(now) 'BEGIN { print to - from }')
	say "$1: gone at $gone, there again at $up, a write was done after $OUTAGE s"
	dmesg -c >/root/dmesg
}
# both_ways: both kinds of restart under fio; succeeds when the graceful one was faster
both_ways() {
	fio --name=r --filename=$D --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c \
		--verify_backlog=64 --verify_fatal=1 --time_based --runtime=40 --group_reporting --eta=never --output=/root/fio &
	FIO=$!
	outage kill
	killed=$OUTAGE
	grep 'conn error' /root/dmesg || fail "the kill was no lost connection"
	outage stop # the initiator is asked to log out, and logs in again
	stopped=$OUTAGE
	grep 'conn error' /root/dmesg && fail "a graceful stop cut the connection instead of having the initiator log out"
	kill -0 $FIO || fail "the load ended before the target was there again"
	wait $FIO
	status=$?
	grep -E 'err=|READ:|WRITE:|verify' /root/fio
	[ $status = 0 ] || fail "fio ended with $status"
	say "I/O went on: $killed s without it when killed, $stopped s when stopped"
	awk -v killed=$killed -v stopped=$stopped 'BEGIN { exit !(stopped < killed) }'
}
# Both ways take the time that the server needs to start, which other work on the host can make the longer part.
both_ways || both_ways || both_ways || fail "a graceful restart was never the faster one"
run host kill
dd if=$D of=/dev/null bs=4k count=1 iflag=direct 2>&1 && fail "I/O succeeded without a target"
run host start
wait_for 90 grep -q LOGGED_IN $STATE || fail "no reconnection"
wait_for 20 grep -q running /sys/block/${D##*/}/device/state
run dd if=$D of=/dev/null bs=4k count=1 iflag=direct
run logout "$IQN"
say "target-restart: OK"
