// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPIs in every destination form. vCPU 0 writes the ICR, the other vCPUs do not run: what arrived is read from their
 * IRR and event state.
 */
#include "lib/api.h"

#define NVCPUS	4
#define V	0x60				/* the vector of most rows */

GUEST64(send_ipi,
	mov $0xfee00000, %ebx;
	mov %edi, 0x310(%rbx);
	mov %esi, 0x300(%rbx);
	mov 0x300(%rbx), %eax; REPORT_EAX;
	movl $0, 0x280(%rbx); mov 0x280(%rbx), %eax; REPORT_EAX;
	DONE);

static struct vm vm;

/*
 * How many vCPUs, and which; of a lowest-priority interrupt only how many, since the choice is
 * free.
 */
static void see_arrived(int vector, bool which)
{
	int n = 0;

	for (int i = 0; i < NVCPUS; i++) {
		struct vcpu *v = &vm.vcpu[i];
		struct kvm_vcpu_events e;

		must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e);
		if (lapic_pending(v, vector)) {
			n++;
			if (which)
				see("vector 0x%x at %d", vector, i);
			set_lapic_reg(v, 0x200 + vector / 32 * 16, 0);
		}
		if (e.nmi.pending)
			see("NMI at %d", i);
		if (get_mp_state(v) != KVM_MP_STATE_RUNNABLE)
			see("state %u at %d", get_mp_state(v), i);
		e.nmi.pending = 0;
		e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
		must_ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e);
		set_mp_state(v, KVM_MP_STATE_RUNNABLE);
	}
	see("arrived %d times", n);
}

static void ipi(const char *name, u32 dest, u32 icr)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;

	vcpu_long(v, send_ipi);
	get_regs(v, &r);
	r.rdi = dest << 24;
	r.rsi = icr;
	set_regs(v, &r);
	see("-- %s: ICR 0x%x, destination 0x%x", name, icr, dest);
	check_eq(see_guest(v), GO_DONE);
	see_arrived(icr & 0xff, (icr >> 8 & 7) != 1);
}

/* Vectors below 16 are none (SDM 3A, 11.5.2). */
static void illegal_vector(void)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;

	vcpu_long(v, send_ipi);
	get_regs(v, &r);
	r.rdi = 1 << 24;
	r.rsi = 8;
	set_regs(v, &r);
	v->nreports = 0;
	check_eq(vcpu_go(v), GO_DONE);
	see("vector 8: ESR 0x%x, arrived: %d", v->reports[1], lapic_pending(&vm.vcpu[1], 8));
	set_lapic_reg(&vm.vcpu[1], 0x200, 0);
}

static void addresses(u32 dfr, const u8 *ldr)
{
	for (int i = 0; i < NVCPUS; i++) {
		set_lapic_reg(&vm.vcpu[i], 0xe0, dfr);
		set_lapic_reg(&vm.vcpu[i], 0xd0, (u32)ldr[i] << 24);
	}
}

static void physical(void)
{
	ipi("to 1", 1, V);
	ipi("to 0", 0, V);
	ipi("to 9, which is not there", 9, V);
	ipi("broadcast", 0xff, V);
	ipi("self", 0, 0x40000 | V);
	ipi("all with self", 0, 0x80000 | V);
	ipi("all but self", 0, 0xc0000 | V);
	ipi("NMI", 2, 0x400);
	ipi("NMI, all but self", 0, 0xc0400);
	illegal_vector();
	ipi("level, asserted", 1, 0xc000 | V);
	ipi("lowest priority to 3", 3, 0x100 | V);
	ipi("ExtINT", 1, 0x700 | V);
	ipi("reserved mode", 1, 0x300 | V);
}

static void flat(void)
{
	addresses(0xffffffff, (u8[]){ 1, 2, 4, 8 });
	see("---- flat");
	ipi("one", 2, 0x800 | V);
	ipi("two", 0xa, 0x800 | V);
	ipi("all", 0xff, 0x800 | V);
	ipi("none", 0x10, 0x800 | V);
	ipi("zero", 0, 0x800 | V);
	ipi("lowest priority of three", 0xe, 0x900 | V);
	ipi("lowest priority of one", 8, 0x900 | V);
	ipi("NMI to two", 0x6, 0xc00);
}

static void cluster(void)
{
	addresses(0x0fffffff, (u8[]){ 0x11, 0x12, 0x21, 0x22 });
	see("---- cluster");
	ipi("one of cluster 1", 0x12, 0x800 | V);
	ipi("cluster 1", 0x1f, 0x800 | V);
	ipi("cluster 2", 0x23, 0x800 | V);
	ipi("cluster 3, empty", 0x3f, 0x800 | V);
	ipi("all clusters", 0xff, 0x800 | V);
	ipi("lowest priority in cluster 2", 0x23, 0x900 | V);
}

void test(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	for (int i = 0; i < NVCPUS; i++) {
		struct vcpu *v = vcpu_create(&vm, i);

		vcpu_long(v, send_ipi);
		set_mp_state(v, KVM_MP_STATE_RUNNABLE);
		lapic_enable(v);
	}
	physical();
	flat();
	cluster();
	set_lapic_reg(&vm.vcpu[2], 0xf0, 0xff);
	ipi("to an APIC that is disabled by software", 2, V);
}
