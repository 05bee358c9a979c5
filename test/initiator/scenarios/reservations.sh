#!/bin/sh
# A persistent reservation between two guests: the one holds it, the other is kept out, by the type and over a crash of the
# server, until it preempts.    reservations.sh IQN LUN
. /lib.sh
IQN=$1 LUN=$2
FIRST_KEY=0xa1 SECOND_KEY=0xb2
EXCLUSIVE=5 # Write Exclusive, Registrants Only (SPC-4 table 59)
persist() { sg_persist --no-inquiry "$@" $D; }
out() { persist --out "$@"; }
write() { dd if=/root/x of=$D bs=64k count=1 oflag=direct,dsync 2>/dev/null; }
read_through() { dd if=$D of=/root/y bs=64k count=1 iflag=direct 2>/dev/null; }
key_is_known() { persist --in --read-keys | grep -qi "$1"; }
run login "$IQN"
D=$(wait_disk "$IQN" "$LUN") || exit 1
dd if=/dev/urandom of=/root/x bs=64k count=1 2>/dev/null
meet ready

first() {
	run out --register --param-sark=$FIRST_KEY --param-aptpl
	run out --reserve --param-rk=$FIRST_KEY --prout-type=$EXCLUSIVE
	run write
	meet reserved
	meet kept-out # the second has tried
	run read_through
	run cmp /root/x /root/y # nothing of the second's came through
	run host kill
	run host start
	meet restarted
	meet still-kept-out
	run write
	meet preempt
	meet preempted
	key_is_known $FIRST_KEY && fail "the preempted registration is still there"
	write && fail "a preempted initiator wrote"
	run read_through
	run out --register --param-sark=$FIRST_KEY
	run write # a registrant may, whoever holds the reservation
	meet registered
	meet released
	run write
}
second() {
	meet reserved
	key_is_known $FIRST_KEY || fail "the first's key is not there"
	write && fail "a write went past the other's reservation"
	run read_through # the type lets everyone read
	out --reserve --param-rk=$SECOND_KEY --prout-type=$EXCLUSIVE && fail "a reservation without registration"
	meet kept-out
	meet restarted
	wait_for 30 read_through || fail "no reconnection"
	key_is_known $FIRST_KEY || fail "the registration did not survive the server's death"
	write && fail "the reservation did not survive the server's death"
	meet still-kept-out
	meet preempt
	run out --register --param-sark=$SECOND_KEY
	run out --preempt --param-rk=$SECOND_KEY --param-sark=$FIRST_KEY --prout-type=$EXCLUSIVE
	run write
	meet preempted
	meet registered
	out --release --param-rk=$FIRST_KEY --prout-type=$EXCLUSIVE && fail "released with a key that is not its own"
	run out --release --param-rk=$SECOND_KEY --prout-type=$EXCLUSIVE
	persist --in --read-reservation | grep -q "there is NO reservation held" || fail "the reservation is still held"
	run out --clear --param-rk=$SECOND_KEY
	key_is_known $FIRST_KEY && fail "a cleared registration is still there"
	meet released
}
case $GUEST in
1) first ;;
2) second ;;
esac
run logout "$IQN"
say "reservations: OK"
