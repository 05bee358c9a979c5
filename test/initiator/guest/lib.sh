# What scenario scripts build on: . /lib.sh
# HOST is the host's loopback as the guest sees it, PORT the target's TCP port.
HOST=10.0.2.2
PORT=${TARGET_PORT:-3260}
PORTAL=$HOST:$PORT
now() {
	read -r _up _ </proc/uptime
	echo "$_up"
}
say() { echo "[$(now)] $*"; }
fail() {
	echo "[$(now)] FAIL: $*"
	exit 1
}
# run COMMAND...: say it, do it, end the script when it fails
run() {
	echo "[$(now)] + $*"
	"$@" || fail "status $? from: $*"
}

# --- the second serial port: one line per message ---
ctl() { printf '%s\n' "$*" >/dev/ttyS1; }
# host WORD...: the scenario's host side does what the words ask for; its output comes out here, its status is ours
host() {
	_words=$(for _word in "$@"; do printf '%s\0' "$_word"; done | base64 | tr -d '\n')
	exec 8<>/dev/ttyS1
	printf 'ASK %s\n' "$_words" >&8
	IFS=' ' read -r _kind _status _output <&8
	exec 8>&-
	[ "$_kind" = ANSWER ] || {
		echo "host: bad answer: $_kind $_status" >&2
		return 125
	}
	[ -z "$_output" ] || printf '%s' "$_output" | base64 -d
	return "$_status"
}

# meet NAME: goes on when every guest of the scenario has come to that meeting
meet() { run host meet "$1"; }
# snaplun WORD...: the operator's command line
snaplun() { host snaplun "$@"; }
# lun_of NAME: the LUN number of a VLUN or of a snapshot NAME@SNAP
lun_of() {
	case $1 in
	*@*) snaplun snapshot list ;;
	*) snaplun lun list ;;
	esac | awk -v name="$1" '$1 == name { print name ~ /@/ ? $NF : $2 }'
}

# --- iSCSI ---
# discover [PORTAL]: SendTargets; prints what the target said
discover() { iscsiadm -m discovery -t sendtargets -p "${1:-$PORTAL}"; }
# set_node IQN NAME VALUE [PORTAL]
set_node() { iscsiadm -m node -T "$1" -p "${4:-$PORTAL}" -o update -n "$2" -v "$3"; }
# add_node IQN [PORTAL]: a node record at our address, whatever SendTargets said
add_node() { iscsiadm -m node -o new -T "$1" -p "${2:-$PORTAL}"; }
# login IQN [PORTAL]
login() {
	iscsiadm -m node -T "$1" -p "${2:-$PORTAL}" >/dev/null 2>&1 || add_node "$1" "${2:-$PORTAL}" || return
	iscsiadm -m node -T "$1" -p "${2:-$PORTAL}" --login
}
logout() { iscsiadm -m node -T "$1" -p "${2:-$PORTAL}" --logout; }
rescan() { iscsiadm -m session -R; }
# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	_left=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		_left=$((_left - 1))
		[ $_left -gt 0 ] || return 1
		sleep 0.1
	done
}
# disk_of IQN [LUN [N]]: the Nth (default first) /dev/sdX of that LUN
disk_of() {
	_seen=0
	for _session in /sys/class/iscsi_session/session*; do
		[ "$(cat $_session/targetname 2>/dev/null)" = "$1" ] || continue
		for _block in $_session/device/target*/*:${2:-0}/block/*; do
			[ -e "$_block" ] || continue
			_seen=$((_seen + 1))
			[ $_seen = "${3:-1}" ] && {
				echo "/dev/${_block##*/}"
				return 0
			}
		done
	done
	return 1
}
# wait_disk IQN [LUN [N]]: login returns before the disk is there.    D=$(wait_disk "$IQN") || exit 1
wait_disk() {
	wait_for 30 disk_of "$@" || fail "no disk for $*" >&2
	disk_of "$@"
}
# writes_of DISK: how many it has completed; wrote_since DISK N
writes_of() { awk '{print $5}' /sys/block/${1##*/}/stat; }
wrote_since() { [ "$(writes_of "$1")" -gt "$2" ]; }
# no_kernel_errors: ends the script when the kernel log tells of a command or a connection that failed
no_kernel_errors() {
	if dmesg | grep -iE 'I/O error|conn error|session recovery timed out|task abort|lun reset|EXT4-fs error'; then
		fail "the kernel log holds errors"
	fi
}
# start_udev: /dev/disk/by-*, and what multipathd wants
start_udev() {
	/usr/lib/systemd/systemd-udevd --daemon && udevadm trigger --action=add --subsystem-match=block && udevadm settle
}

# --- load ---
# count_up FOLDER: in the background, a number that only grows: durable in FOLDER/counter before /run/counted and a mark tell it
count_up() {
	echo 0 >$1/counter
	sync
	echo 0 >/run/counted
	ctl "MARK 0"
	rm -f /run/counting-ends
	while [ ! -e /run/counting-ends ]; do
		_count=$((${_count:-0} + 1))
		echo $_count >$1/counter.new && sync $1/counter.new && mv $1/counter.new $1/counter && sync $1 || break
		echo $_count >/run/counted.new
		mv /run/counted.new /run/counted
		ctl "MARK $_count"
	done &
	COUNTER=$!
}
stop_counting() {
	touch /run/counting-ends
	wait $COUNTER
}
# counted: what is durable by now
counted() { cat /run/counted; }
# counter_is_between FROM TO: the snapshot mounted at /mnt was taken when counted told no less than FROM, and no more than TO
counter_is_between() {
	say "counted to $(cat /mnt/counter), from $1 to $2 around the snapshot"
	[ "$(cat /mnt/counter)" -ge "$1" ] || fail "what was durable before the snapshot is lost"
	# The number after TO may have been written already.
	[ "$(cat /mnt/counter)" -le $(($2 + 1)) ] || fail "the snapshot holds what was written after it"
}
