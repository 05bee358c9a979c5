#!/bin/sh
# The target is killed under load and started again: I/O goes on by itself and every verified block is right. Then it is gone
# for longer than the replacement timeout: I/O fails, and works again afterwards.
# The host's side knows `kill` and `start`.    target-restart.sh IQN LUN REPLACEMENT_TIMEOUT
. /lib.sh
IQN=$1 LUN=$2 REPLACEMENT_TIMEOUT=$3
run add_node "$IQN"
set_node "$IQN" node.session.timeo.replacement_timeout "$REPLACEMENT_TIMEOUT"
set_node "$IQN" 'node.conn[0].timeo.noop_out_interval' 2
set_node "$IQN" 'node.conn[0].timeo.noop_out_timeout' 2
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
STATE=$(echo /sys/class/iscsi_session/session*/state)
fio --name=r --filename=$D --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c \
	--verify_backlog=64 --verify_fatal=1 --time_based --runtime=25 --group_reporting --eta=never --output=/root/fio &
FIO=$!
sleep 8
host kill || fail "host kill"
wait_for 30 sh -c "! grep -q LOGGED_IN $STATE" || fail "the session did not notice"
host start || fail "host start"
wait_for 60 grep -q LOGGED_IN $STATE || fail "no reconnection"
say "reconnected"
wait $FIO
status=$?
grep -E 'err=|READ:|WRITE:|verify' /root/fio
[ $status = 0 ] || fail "fio ended with $status"
say "I/O went on over a restart of the target"
host kill || fail "host kill"
dd if=$D of=/dev/null bs=4k count=1 iflag=direct 2>&1 && fail "I/O succeeded without a target"
host start || fail "host start"
wait_for 90 grep -q LOGGED_IN $STATE || fail "no reconnection"
wait_for 20 grep -q running /sys/block/${D##*/}/device/state
run dd if=$D of=/dev/null bs=4k count=1 iflag=direct
run logout "$IQN"
say "target-restart: OK"
