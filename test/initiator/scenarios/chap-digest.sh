#!/bin/sh
# CHAP refused and accepted, one-way and mutual, then every combination of digests.
#   chap-digest.sh IQN LUN USER SECRET TARGET_USER TARGET_SECRET
. /lib.sh
IQN=$1 LUN=$2 USER=$3 SECRET=$4 TARGET_USER=$5 TARGET_SECRET=$6
AUTHENTICATION_FAILED=24
# What open-iscsi proves itself by at discovery stands in its configuration; an empty secret asks for none.
discovery_chap() {
	sed -i '/^discovery\.sendtargets\.auth/d' /etc/iscsi/iscsid.conf
	[ -z "$1" ] || cat >>/etc/iscsi/iscsid.conf <<-E
		discovery.sendtargets.auth.authmethod = CHAP
		discovery.sendtargets.auth.username = $USER
		discovery.sendtargets.auth.password = $1
	E
	iscsiadm -m discoverydb -t sendtargets -p "$PORTAL" -o delete >/dev/null 2>&1
}
for secret in '' wrongwrongwrong; do
	discovery_chap "$secret"
	discover >/root/found 2>&1 && fail "discovery with the secret '$secret' was not refused"
	grep -q "$IQN" /root/found && fail "a refused discovery named the target"
done
discovery_chap "$SECRET"
discover | tee /root/found
grep -q "$IQN" /root/found || fail "discovery with CHAP does not name the target"
iscsiadm -m node -o delete >/dev/null 2>&1
say "discovery with CHAP works"

run add_node "$IQN"
login "$IQN"
[ $? = $AUTHENTICATION_FAILED ] || fail "a login without CHAP was not refused with $AUTHENTICATION_FAILED"
set_node "$IQN" node.session.auth.authmethod CHAP
set_node "$IQN" node.session.auth.username "$USER"
set_node "$IQN" node.session.auth.password wrongwrongwrong
login "$IQN"
[ $? = $AUTHENTICATION_FAILED ] || fail "a wrong secret was not refused with $AUTHENTICATION_FAILED"
set_node "$IQN" node.session.auth.password "$SECRET"
run login "$IQN"
wait_disk "$IQN" "$LUN" || exit 1
run logout "$IQN"
say "one-way CHAP works"

run host chap mutual
set_node "$IQN" node.session.auth.username_in "$TARGET_USER"
set_node "$IQN" node.session.auth.password_in wrongwrongwrong
login "$IQN" && fail "a target with the wrong secret was believed"
dmesg -c >/dev/null # a refused login may end in a closed connection, and the kernel says so
set_node "$IQN" node.session.auth.password_in "$TARGET_SECRET"
dd if=/dev/urandom of=/root/x bs=64k count=64 2>/dev/null
for header in None CRC32C; do
	for data in None CRC32C; do
		set_node "$IQN" 'node.conn[0].iscsi.HeaderDigest' $header
		set_node "$IQN" 'node.conn[0].iscsi.DataDigest' $data
		run login "$IQN"
		D=$(wait_disk "$IQN" "$LUN") || exit 1
		iscsiadm -m session -P2 | grep -E 'Digest|username'
		iscsiadm -m session -P2 | grep -q "HeaderDigest: $header" || fail "the header digest is not $header"
		iscsiadm -m session -P2 | grep -q "DataDigest: $data" || fail "the data digest is not $data"
		run dd if=/root/x of=$D bs=64k oflag=direct 2>/dev/null
		run dd if=$D of=/root/y bs=64k count=64 iflag=direct 2>/dev/null
		run cmp /root/x /root/y
		run logout "$IQN"
	done
done
no_kernel_errors
say "chap-digest: OK"
