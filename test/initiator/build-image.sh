#!/bin/bash
# Makes the guest that holds Linux's own iSCSI initiator: a kernel, a small initramfs and a read-only /usr disk, from Debian
# packages alone. Prints the folder that holds them. Does nothing when that folder holds a build of the same inputs.
#
#   build-image.sh CACHE_FOLDER
#
# The guest's packages are downloaded and unpacked, not installed. Needs root: apt-get, chroot, mount --bind.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
cache=${1:?cache folder}

# The cloud kernel is the smallest of Debian's that has iscsi_tcp and the virtio drivers.
kernel_meta_package=linux-image-cloud-amd64
packages="open-iscsi kmod busybox-static dash bash e2fsprogs xfsprogs fio sg3-utils lsscsi
	multipath-tools dmsetup util-linux util-linux-extra mount fdisk coreutils grep sed mawk
	findutils diffutils procps udev libc-bin"
programs="iscsid iscsiadm iscsi-iname kmod busybox dash bash
	mke2fs e2fsck tune2fs dumpe2fs resize2fs filefrag mkfs.xfs xfs_repair xfs_io
	fio lsscsi dmsetup multipath multipathd kpartx mpathpersist
	blkdiscard blockdev blkid lsblk wipefs sfdisk fstrim fsfreeze mount umount findmnt flock losetup
	grep sed mawk find xargs cmp diff ps pgrep pkill udevadm ldconfig"
modules="virtio_pci virtio_net virtio_blk virtio_rng virtio_console scsi_mod sd_mod sg
	scsi_transport_iscsi libiscsi libiscsi_tcp iscsi_tcp crc32c_generic crc32c-intel crc-t10dif ext4 xfs
	dm-mod dm-multipath dm-round-robin dm-service-time"
# What the packages above depend on and no program above loads.
unwanted='^(perl|libperl|python3|libpython3|linux-base|initramfs-tools|klibc|libklibc|debconf|adduser|dpkg$|usrmerge|libfile-|libnumber-|libtext-|gcc-12-base|passwd|media-types|readline-common|tar$|cpio)'
udev_rules="50-udev-default 55-dm 60-block 60-persistent-storage 60-persistent-storage-dm 60-multipath 56-multipath
	55-scsi-sg3_id 58-scsi-sg3_symlink 95-dm-notify"

say() { echo "build-image: $*" >&2; }
die() {
	say "$*"
	exit 1
}
apt() { apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@"; }

kernel_package() { apt-cache depends "$kernel_meta_package" | awk '/^ *Depends: linux-image-/ {print $2; exit}'; }

# Everything the packages need, whatever this machine has installed: an empty status file says that nothing is.
closure() {
	apt-get -s -o Dir::State::status=/dev/null --no-install-recommends install $packages 2>/dev/null |
		awk '/^Inst / {print $2}' | sort -u | grep -Ev "$unwanted"
}

# Fills cache/debs and names the files in $work/debs.
download() {
	local kernel names
	kernel=$(kernel_package)
	[ -n "$kernel" ] || return 1
	names=$(closure)
	[ -n "$names" ] || return 1
	mkdir -p "$cache/debs" "$work/empty"
	# From an empty folder, because files that are already there are not listed.
	(cd "$work/empty" && apt-get -q -o APT::Sandbox::User=root download --print-uris $kernel $names) |
		tr -d "'" | awk 'NF >= 2 {print $2}' >"$work/debs"
	local missing=()
	while read -r file; do
		[ -s "$cache/debs/$file" ] || missing+=("${file%%_*}")
	done <"$work/debs"
	[ ${#missing[@]} -gt 0 ] || return 0
	say "downloading ${#missing[@]} packages"
	(cd "$cache/debs" && apt-get -q -o APT::Sandbox::User=root download "${missing[@]}" >"$work/download.log" 2>&1)
}

unpack() {
	mkdir -p "$stage"/usr/{bin,sbin,lib,lib64} "$kernel_files"
	local folder file
	for folder in bin sbin lib lib64; do ln -s usr/$folder "$stage/$folder"; done
	while read -r file; do
		case $file in
		linux-image-*) dpkg-deb --fsys-tarfile "$cache/debs/$file" | tar -x -C "$kernel_files" ;;
		*) dpkg-deb --fsys-tarfile "$cache/debs/$file" | tar -x --keep-directory-symlink -C "$stage" \
			--exclude './usr/share/doc*' --exclude './usr/share/man*' --exclude './usr/share/locale*' --exclude './usr/lib/udev/hwdb.d*' ;;
		esac
	done <"$work/debs"
	kernel_version=$(ls "$kernel_files/lib/modules")
}

# The chosen programs, and the libraries that the unpacked tree's own loader says they load.
lay_out_programs() {
	local name folder path
	local coreutils scsi_tools
	coreutils=$(dpkg-deb -c "$cache"/debs/coreutils_*.deb | awk '{print $6}' | grep -E '^\./(usr/)?s?bin/.' | sed 's,.*/,,' | grep -vx '\[')
	scsi_tools=$(cd "$stage/usr/bin" && ls sg_* sginfo)
	for name in $programs $coreutils $scsi_tools; do
		for folder in usr/bin usr/sbin usr/lib/open-iscsi ''; do
			[ -n "$folder" ] || die "no program $name in the packages"
			[ -e "$stage/$folder/$name" ] && echo "/$folder/$name" && break
		done
	done >"$work/programs"
	echo /usr/lib/udev/scsi_id >>"$work/programs"
	find "$stage" -path '*/multipath/*.so' -printf '/%P\n' >>"$work/programs"
	while read -r path; do
		case $path in */busybox | */ldconfig) continue ;; esac # linked statically
		head -c4 "$stage$path" | grep -q ELF || continue
		chroot "$stage" /lib64/ld-linux-x86-64.so.2 --list "$path" 2>/dev/null | awk '/=> \// {print $3}' || true
	done <"$work/programs" | sort -u >"$work/libraries"
	while read -r path; do
		folder=$(dirname "$path")
		folder=/usr${folder#/usr}
		mkdir -p "$root$folder"
		cp -L "$stage$path" "$root$folder/$(basename "$path")"
	done < <(cat "$work/programs" "$work/libraries" && echo /lib64/ld-linux-x86-64.so.2)
}

lay_out_names() {
	local name
	mkdir -p "$root/usr/lib/systemd" "$root/usr/lib/udev/rules.d"
	ln -sf ../../bin/udevadm "$root/usr/lib/systemd/systemd-udevd"
	for name in $udev_rules; do
		[ ! -e "$stage/usr/lib/udev/rules.d/$name.rules" ] || cp "$stage/usr/lib/udev/rules.d/$name.rules" "$root/usr/lib/udev/rules.d/"
	done
	for name in modprobe insmod rmmod lsmod depmod modinfo; do ln -sf ../bin/kmod "$root/usr/sbin/$name"; done
	for name in mkfs.ext4 mkfs.ext3 mkfs.ext2; do ln -sf mke2fs "$root/usr/sbin/$name"; done
	ln -sf e2fsck "$root/usr/sbin/fsck.ext4"
	ln -sf dash "$root/usr/bin/sh" # busybox's own shell prefers its applets to the programs of the same name
	ln -sf mawk "$root/usr/bin/awk"
	# Every command that is still missing is a busybox applet.
	for name in $(chroot "$root" /usr/bin/busybox --list); do
		[ -e "$root/usr/bin/$name" ] || [ -L "$root/usr/bin/$name" ] || [ -e "$root/usr/sbin/$name" ] || [ -L "$root/usr/sbin/$name" ] ||
			ln -s busybox "$root/usr/bin/$name"
	done
}

lay_out_settings() {
	cp "$stage/etc/mke2fs.conf" "$root/etc/"
	# Debian's file starts iscsid through systemd; here the guest's init starts it.
	sed -e '/^iscsid.startup/d' -e 's/^node.startup.*/node.startup = manual/' "$stage/etc/iscsi/iscsid.conf" >"$root/etc/iscsi/iscsid.conf"
	echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
	printf '%s:x:%s:\n' root 0 tty 5 disk 6 lp 7 kmem 15 dialout 20 cdrom 24 tape 26 audio 29 video 44 input 101 kvm 102 render 103 sgx 104 >"$root/etc/group"
	echo "10.0.2.2 target" >"$root/etc/hosts"
}

lay_out_modules() {
	local name pattern line folder=$stage/lib/modules/$kernel_version
	mkdir -p "$stage/lib/modules"
	mv "$kernel_files/lib/modules/$kernel_version" "$stage/lib/modules/"
	for name in depmod modprobe; do ln -sf ../bin/kmod "$stage/usr/sbin/$name"; done
	chroot "$stage" /usr/sbin/depmod "$kernel_version"
	for name in $modules; do
		pattern=$(echo "$name" | sed 's/[-_]/[-_]/g')
		if line=$(grep -E "/$pattern\.ko[^:]*:" "$folder/modules.dep"); then
			echo "$line" | tr ':' ' ' | tr -s ' ' '\n' | grep .
		fi
	done | sort -u >"$work/modules"
	while read -r name; do
		mkdir -p "$root/lib/modules/$kernel_version/$(dirname "$name")"
		cp "$folder/$name" "$root/lib/modules/$kernel_version/$name"
	done <"$work/modules"
	cp "$folder"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$kernel_version/"
	chroot "$root" /usr/sbin/depmod "$kernel_version"
	# What mounting /usr needs lies in the initramfs itself, listed in loading order.
	for name in virtio_pci virtio_blk ext4 crc32c_generic; do
		chroot "$stage" /usr/sbin/modprobe -S "$kernel_version" --show-depends $name 2>/dev/null | awk '/^insmod/ {print $2}' || true
	done | awk '!seen[$0]++' | while read -r name; do
		cp "$stage$name" "$root/boot/"
		basename "$name" >>"$root/boot/order"
	done
}

# /usr is a disk of which the guest reads only the pages it uses: loading fio's libraries into memory at each boot would cost
# seconds under emulation. The rest is an uncompressed initramfs, to which each run appends its job as another archive.
pack() {
	local mebibytes
	cp -L "$root/usr/bin/busybox" "$root/busybox"
	install -m755 "$here/guest/init" "$root/init"
	install -m755 "$here/guest/init2" "$root/init2"
	install -m644 "$here/guest/lib.sh" "$root/lib.sh"
	mv "$root/usr" "$work/usr"
	mkdir "$root/usr" "$stage/usr-source"
	mebibytes=$(($(du -sm "$work/usr" | cut -f1) * 11 / 10 + 12))
	mount --bind "$work" "$stage/usr-source"
	chroot "$stage" /usr/sbin/mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -E root_owner=0:0 \
		-d /usr-source/usr /usr-source/usr.img "${mebibytes}M" 2>"$work/mke2fs.log" || {
		umount "$stage/usr-source"
		die "mke2fs: $(cat "$work/mke2fs.log")"
	}
	umount "$stage/usr-source"
	(cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc -R 0:0) >"$work/initramfs.cpio"
	truncate -s %512 "$work/initramfs.cpio"
	# New files, renamed into place: a guest that runs keeps the ones it has open.
	mv "$kernel_files"/boot/vmlinuz-* "$cache/vmlinuz"
	mv "$work/usr.img" "$cache/usr.img"
	mv "$work/initramfs.cpio" "$cache/initramfs.cpio"
	sed -nE 's/^(linux-image-[^_]*|open-iscsi|multipath-tools|e2fsprogs|xfsprogs|fio)_([^_]*)_.*/\1 \2/p' "$work/debs" >"$cache/versions"
	echo "$inputs" >"$cache/inputs"
}

[ "$(uname -m)" = x86_64 ] || die "the guest is built for x86_64 only"
[ "$(id -u)" = 0 ] || die "building the guest needs root (apt-get, chroot, mount)"
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
inputs=$(cat "$here/build-image.sh" "$here"/guest/* | sha256sum | cut -c1-64)
if [ "$(cat "$cache/inputs" 2>/dev/null || true)" = "$inputs" ] && [ -s "$cache/vmlinuz" ] && [ -s "$cache/usr.img" ] && [ -s "$cache/initramfs.cpio" ]; then
	echo "$cache"
	exit 0
fi
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
stage=$work/stage root=$work/root kernel_files=$work/kernel
if ! download; then
	say "the package lists may be old: apt-get update, and once more"
	apt update >&2
	download || die "download failed: $(cat "$work/download.log" 2>/dev/null || true)"
fi
unpack
for folder in bin sbin lib lib64; do mkdir -p "$root/usr/$folder" && ln -s usr/$folder "$root/$folder"; done
mkdir -p "$root"/{boot,proc,sys,dev,run,tmp,mnt,root,job,etc/iscsi,etc/multipath,var/lib/iscsi}
ln -s /run "$root/var/run"
lay_out_programs
lay_out_names
lay_out_settings
lay_out_modules
pack
say "kernel $kernel_version, initramfs $(du -k --apparent-size "$cache/initramfs.cpio" | cut -f1) KiB, /usr $(du -m "$cache/usr.img" | cut -f1) MiB"
echo "$cache"
