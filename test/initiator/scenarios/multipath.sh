#!/bin/sh
# Two portals, a session over each, dm-multipath above them: one path is lost under load and comes back.    multipath.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
for module in dm-multipath dm-round-robin dm-service-time; do modprobe $module; done
cat >/etc/multipath.conf <<E
defaults {
	user_friendly_names yes
	find_multipaths no
	polling_interval 1
	max_polling_interval 2
	no_path_retry 30
	path_grouping_policy multibus
	path_selector "round-robin 0"
}
E
mkdir -p /run/udev /etc/udev
start_udev || fail udev
multipathd -d -s >/root/multipathd.log 2>&1 &
DAEMON=$!

discover | tee /root/found
iscsiadm -m node -o delete >/dev/null 2>&1
SECOND_PORT=$(sed -nE "s/^[^ ]*:([0-9]+),[0-9]+ $IQN\$/\1/p" /root/found | grep -vx "$PORT")
[ -n "$SECOND_PORT" ] || fail "discovery names one portal only"
SECOND=$HOST:$(host relay "$SECOND_PORT")
for portal in $PORTAL $SECOND; do
	run add_node "$IQN" $portal
	set_node "$IQN" node.session.timeo.replacement_timeout 5 $portal
	set_node "$IQN" 'node.conn[0].timeo.noop_out_interval' 1 $portal
	set_node "$IQN" 'node.conn[0].timeo.noop_out_timeout' 2 $portal
	run login "$IQN" $portal
done
wait_disk "$IQN" "$LUN" 2 || exit 1
# path_count_is A|F COUNT: how many paths dm-multipath holds for active, for failed
path_count_is() { [ "$(dmsetup status mpatha | grep -oE "[0-9]+:[0-9]+ $1 [0-9]+" | wc -l)" = "$2" ]; }
wait_for 30 path_count_is A 2 || {
	cat /root/multipathd.log
	multipath -v3 | tail -40
	fail "no mpatha over two paths: $(dmsetup status mpatha)"
}
multipath -ll
M=/dev/mapper/mpatha
ls /dev/disk/by-path /dev/disk/by-id
fio --name=m --filename=$M --size=32m --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c \
	--verify_backlog=64 --verify_fatal=1 --time_based --runtime=30 --group_reporting --eta=never --output=/root/fio &
FIO=$!
sleep 5
run host cut
wait_for 40 path_count_is F 1 || fail "dm-multipath did not fail the path: $(dmsetup status mpatha)"
say "path lost: $(dmsetup status mpatha)"
run host uncut
wait_for 60 path_count_is A 2 || fail "the path did not come back: $(dmsetup status mpatha)"
say "path back: $(dmsetup status mpatha)"
kill -0 $FIO || fail "the load ended before the path was back"
wait $FIO
status=$?
grep -E 'err=|READ:|WRITE:|verify' /root/fio
tail -12 /root/multipathd.log
[ $status = 0 ] || fail "fio ended with $status"
kill $DAEMON
wait $DAEMON 2>/dev/null
run dmsetup remove mpatha
run logout "$IQN"
run logout "$IQN" $SECOND
say "multipath: OK"
