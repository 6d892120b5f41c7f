# SPDX-License-Identifier: GPL-2.0-only
# For the boot tests; they run in L1 with `. tests/boot/lib.sh`. DIR is a folder of the test's own.

set -u

fail() {
	echo "$*" >&2
	exit 1
}

# boot <MACHINE> <SMP> <JOB> [QEMU's arguments]: boots Debian's kernel, runs tests/guest/<JOB> in it, and wants a
# clean power-off and status 0. What the guest wrote is in $DIR/serial, what QEMU wrote in $DIR/vmm.
boot() {
	local machine=$1 smp=$2 job=$3 status
	shift 3
	# shellcheck disable=SC2086
	timeout -s KILL 150 $VMM -M "$machine" -smp "$smp" -m 512 -kernel "$KERNEL" -initrd "$OUT/initrd" \
		-append "console=ttyS0 quiet panic=-1 job=$job smp=$smp kvm=$KVM ${APPEND-}" \
		-chardev "file,id=tty,path=$DIR/serial" -serial chardev:tty "$@" </dev/null 2>"$DIR/vmm"
	status=$?
	tr -d '\036' <"$DIR/serial"
	[ $status = 0 ] || fail "QEMU's status: $status; it said: $(grep -v '^kvm_' "$DIR/vmm" | tail -n 5)"
	grep -q 'kvmono: guest ready' "$DIR/serial" || fail "the guest did not reach its init"
	grep -q 'kvmono: guest status 0' "$DIR/serial" || fail "$job failed in the guest"
}

# used_ioctl <what> <request in hex> <at least>: QEMU, run with -trace kvm_vm_ioctl, made that request so often.
used_ioctl() {
	local count
	count=$(grep -c "kvm_vm_ioctl type 0x$2" "$DIR/vmm")
	[ "$count" -ge "$3" ] || fail "$1: $count times, not $3"
}

KVM_IRQFD=4020ae76
KVM_IOEVENTFD=4040ae79

# random_file <path> <megabytes>
random_file() {
	head -c "$(($2 << 20))" /dev/urandom >"$1"
}

sum_of() {
	sha256sum | cut -d' ' -f1
}

# refused <words>: `make load` fails, its output has one line of the module with these words, and nothing stays behind.
refused() {
	tools/load >"$DIR/load" 2>&1 && fail "the module loaded"
	# Without SVM it doesn't even try; the module must know by itself.
	if grep -q "^load: this processor has no $1" "$DIR/load"; then
		insmod "build/$(uname -r)/kvm-amd.ko" 2>/dev/null && fail "the module loaded"
		dmesg | grep "kvm: not loaded" >>"$DIR/load"
	fi
	[ "$(grep -c 'kvm: not loaded' "$DIR/load")" = 1 ] || fail "not one line of the module: $(cat "$DIR/load")"
	grep -q "kvm: not loaded: .*$1" "$DIR/load" || fail "it said: $(cat "$DIR/load")"
	[ ! -d /sys/module/kvm_amd ] || fail "the module is there, refused or not"
}
