// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: single steps over plain and intercepted instructions, branches, and none
 * when it is off.
 */
#include "lib/api.h"

GUEST64(guest,
	mov $1, %eax;
	add $2, %eax;
	cpuid;
	jmp 1f;
	nop;
	1: mov $0x1b, %ecx;
	rdmsr;
	nop;
	DONE);
/* Steps among I/O: how many there are is not said, but all I/O must happen, in order. */
GUEST64(with_io,
	mov $MMIO_BASE, %ebx;
	mov %eax, (%rbx); mov (%rbx), %ecx;
	mov $0x41, %al; out %al, $0x80; in $0x80, %al;
	mov $2, %ecx; mov $0x50000, %edi; mov $0x81, %edx; rep insb;
	DONE);

static struct vm vm;
static struct vcpu *v;

static void steps(const char *entry, bool say)
{
	vcpu_long(v, entry);
	for (int i = 0; i < 60 && vcpu_run(v) == 0; i++) {
		if (v->run->exit_reason != KVM_EXIT_DEBUG) {
			see_exit(v);
			if (v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == PORT_DONE)
				break;
			fill_read(v);
		} else if (say) {
			see("step: exception=%u pc=0x%llx dr6=0x%llx", v->run->debug.arch.exception,
			    v->run->debug.arch.pc, v->run->debug.arch.dr6 & 0x4000);
		}
	}
}

void test(void)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SET_GUEST_DEBUG);
	need_cap(&vm, KVM_CAP_X86_ROBUST_SINGLESTEP);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
	steps(guest, true);
	see("-- with I/O");
	steps(with_io, false);
	d.control = 0;
	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
	vcpu_long(v, guest);
	check_eq(quiet_exits(v), GO_DONE);
	see("not stepped any more");
}
