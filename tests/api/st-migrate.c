// SPDX-License-Identifier: GPL-2.0-only
/*
 * A running guest is stopped at any moment, all of its state is read, set in a fresh VM on the same memory, and goes on there; again and again.
 * Its sums in general, x87 and SSE registers are right in the end, its timer goes on, and its TSC never goes back.
 */
#include "lib/api.h"

#define ROUNDS		1000000u
#define MIN_MOVES	5
#define MAX_MOVES	40
#define LAPIC		0xfee00000
#define MUL		0x5851f42d4c957f2d
#define ADD		0x14057b7ef767814f
#define GS_MSR		0xc0000102		/* KERNEL_GS_BASE */
#define RESULTS		0x50000

GUEST64(guest,
	mov $LAPIC, %ebx;
	movl $0x1ff, 0xf0(%rbx); movl $0xb, 0x3e0(%rbx); movl $0x20040, 0x320(%rbx); movl $1000000, 0x380(%rbx);
	mov $GS_MSR, %ecx; mov $0x12345678, %eax; mov $0x77, %edx; wrmsr;
	mov $0xdead000, %eax; mov %rax, %dr1;
	fninit; fldz; pxor %xmm7, %xmm7;
	movabs $MUL, %r12; movabs $ADD, %r13;
	xor %r8d, %r8d; xor %r9d, %r9d; xor %r10d, %r10d; mov $ROUNDS, %r11d;
	sti;
	1: rdtsc; shl $32, %rdx; or %rdx, %rax; cmp %r9, %rax; adc $0, %r10; mov %rax, %r9;
	imul %r12, %r8; add %r13, %r8; movq %r8, %xmm6; paddq %xmm6, %xmm7;
	fld1; faddp;
	dec %r11; jnz 1b;
	cli; movl $0, 0x380(%rbx);
	mov %r8, RESULTS; movq %xmm7, RESULTS + 8; fistpll RESULTS + 16; mov %r10, RESULTS + 24;
	mov $GS_MSR, %ecx; rdmsr; shl $32, %rdx; or %rdx, %rax; mov %rax, RESULTS + 32;
	mov %dr1, %rax; mov %rax, RESULTS + 40;
	DONE);

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_lapic_state lapic;
	struct kvm_irqchip chips[3];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	u32 nmsrs;
	struct {
		u32 index;
		u64 value;
	} msrs[256];
};

static u32 msr_list[256], nlist;

static void list_msrs(struct vm *vm)
{
	struct {
		struct kvm_msr_list h;
		u32 indices[256];
	} list = { .h.nmsrs = 256 };

	must_ioctl(vm->kvm, KVM_GET_MSR_INDEX_LIST, &list);
	nlist = list.h.nmsrs;
	memcpy(msr_list, list.indices, nlist * 4);
}

static void save(struct vm *vm, struct state *s)
{
	int fd = vm->vcpu[0].fd;

	must_ioctl(fd, KVM_GET_MP_STATE, &s->mp_state);
	must_ioctl(fd, KVM_GET_REGS, &s->regs);
	must_ioctl(fd, KVM_GET_XSAVE, &s->xsave);
	must_ioctl(fd, KVM_GET_XCRS, &s->xcrs);
	must_ioctl(fd, KVM_GET_SREGS, &s->sregs);
	s->nmsrs = 0;
	for (u32 i = 0; i < nlist; i++) {
		s->msrs[s->nmsrs].index = msr_list[i];
		s->nmsrs += get_msr(&vm->vcpu[0], msr_list[i], &s->msrs[s->nmsrs].value) == 1;
	}
	must_ioctl(fd, KVM_GET_LAPIC, &s->lapic);
	must_ioctl(fd, KVM_GET_VCPU_EVENTS, &s->events);
	must_ioctl(fd, KVM_GET_DEBUGREGS, &s->debugregs);
	for (int i = 0; i < 3; i++) {
		s->chips[i].chip_id = i;
		must_ioctl(vm->fd, KVM_GET_IRQCHIP, &s->chips[i]);
	}
	must_ioctl(vm->fd, KVM_GET_PIT2, &s->pit);
	must_ioctl(vm->fd, KVM_GET_CLOCK, &s->clock);
}

static void restore(struct vm *vm, struct state *s)
{
	int fd = vm->vcpu[0].fd;

	s->clock.flags = 0;
	must_ioctl(vm->fd, KVM_SET_CLOCK, &s->clock);
	for (int i = 0; i < 3; i++)
		must_ioctl(vm->fd, KVM_SET_IRQCHIP, &s->chips[i]);
	must_ioctl(vm->fd, KVM_SET_PIT2, &s->pit);
	must_ioctl(fd, KVM_SET_SREGS, &s->sregs);
	must_ioctl(fd, KVM_SET_REGS, &s->regs);
	if (vm_cap(vm, KVM_CAP_XCRS))
		must_ioctl(fd, KVM_SET_XCRS, &s->xcrs);
	must_ioctl(fd, KVM_SET_XSAVE, &s->xsave);
	for (u32 i = 0; i < s->nmsrs; i++) {
		if (set_msr(&vm->vcpu[0], s->msrs[i].index, s->msrs[i].value) != 1)
			fail_at(__FILE__, __LINE__, "MSR 0x%x can't be set", s->msrs[i].index);
	}
	must_ioctl(fd, KVM_SET_LAPIC, &s->lapic);
	must_ioctl(fd, KVM_SET_VCPU_EVENTS, &s->events);
	must_ioctl(fd, KVM_SET_DEBUGREGS, &s->debugregs);
	must_ioctl(fd, KVM_SET_MP_STATE, &s->mp_state);
}

static void devices(struct vm *vm)
{
	struct kvm_pit_config pit = { 0 };

	vm_irqchip(vm);
	must_ioctl(vm->fd, KVM_CREATE_PIT2, &pit);
	vcpu_create(vm, 0);
	set_cpuid_supported(&vm->vcpu[0]);
}

static void move(struct vm *from, struct vm *to)
{
	static struct state s, again;

	save(from, &s);
	vm_create(to);
	to->mem = from->mem;
	to->size = from->size;
	must(vm_slot(to, 0, 0, 0, to->size, to->mem) == 0);
	devices(to);
	restore(to, &s);
	save(to, &again);
	check(memcmp(&s.regs, &again.regs, sizeof(s.regs)) == 0);
	check(memcmp(&s.sregs, &again.sregs, sizeof(s.sregs)) == 0);
	check(memcmp(&s.debugregs, &again.debugregs, sizeof(s.debugregs)) == 0);
	check(memcmp(&s.xcrs, &again.xcrs, sizeof(s.xcrs)) == 0);
	check_eq(s.nmsrs, again.nmsrs);
	from->mem = NULL;
	vm_destroy(from);
}

static int one_turn(struct vcpu *v)
{
	vcpu_go_thread(v);
	msleep(5);
	vcpu_kick(v);
	return vcpu_join(v);
}

static void see_results(struct vm *vm)
{
	u64 *r = gpa_ptr(vm, RESULTS), sum = 0, x = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		x = x * MUL + ADD;
		sum += x;
	}
	see("general registers %s, SSE %s, x87 %s", r[0] == x ? "right" : "wrong", r[1] == sum ? "right" : "wrong",
	    r[2] == ROUNDS ? "right" : "wrong");
	see("the TSC went back %llu times", (unsigned long long)r[3]);
	see("KERNEL_GS_BASE 0x%llx DR1 0x%llx", (unsigned long long)r[4], (unsigned long long)r[5]);
	see("the timer ticked: %s", counts(&vm->vcpu[0])[0x40] ? "yes" : "no");
}

void test(void)
{
	static struct vm vms[2];
	u32 ticks = 0, idle = 0;
	int n = 0, ret;

	vm_init(&vms[0]);
	list_msrs(&vms[0]);
	devices(&vms[0]);
	vcpu_long(&vms[0].vcpu[0], guest);
	shared(&vms[0])->eoi = EOI_LAPIC;
	while ((ret = one_turn(&vms[n % 2].vcpu[0])) == -EINTR && n < MAX_MOVES) {
		idle += counts(&vms[n % 2].vcpu[0])[0x40] == ticks;
		ticks = counts(&vms[n % 2].vcpu[0])[0x40];
		move(&vms[n % 2], &vms[(n + 1) % 2]);
		n++;
	}
	if (ret == -EINTR) {
		vms[n % 2].vcpu[0].run->immediate_exit = 0;
		ret = vcpu_go(&vms[n % 2].vcpu[0]);
	}
	check_eq(ret, GO_DONE);
	see("moved %s", n >= MIN_MOVES ? "often enough" : "too rarely");
	see("turns in which the timer stood still: %s", idle > (u32)n / 2 ? "many" : "few");
	see_results(&vms[n % 2]);
}
