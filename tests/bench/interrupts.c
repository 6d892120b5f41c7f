// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: sent, taken, ended. All handlers do the least: the EOI, and a note that they ran. */
#include "bench.h"

#define LAPIC		0xfee00000u
#define GSI		40
#define PORT_AWAKE	0x510
#define MSR_DEADLINE	0x6e0
#define MSR_EOI		0x80b
#define MSR_ICR		0x830
#define MSR_SELF_IPI	0x83f
#define FAR		100000000		/* a deadline that doesn't come */
#define NEAR		20000			/* one that comes after the WRMSR is through */
#define SETTLE		50000			/* until a vCPU that halts is asleep */
#define PAUSES		10000			/* more than fit into the window of a vCPU that has slept */

#define X2APIC_EOI	mov $MSR_EOI, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr
/* Every handler ran as often as there were rounds, or the loop hangs. */
#define HANDLED		1: cmp %r13d, GUEST_ANSWERS; jb 1b

/* The handlers. They may change RAX, RCX and RDX. */
GUEST64(eoi_x, movl $0, 0xb0(%rbx); incl GUEST_ANSWERS; iretq);
GUEST64(eoi_x2, X2APIC_EOI; incl GUEST_ANSWERS; iretq);
GUEST64(no_eoi, incl GUEST_ANSWERS; iretq);

/* To itself: until the handler has returned. */
GUEST64(guest_xapic_self, TOP; mov $0x40000 + VECTOR, %r10d; mov $LAPIC, %ebx;
	STAMP; mov %eax, 0x300(%rbx); STORE; HANDLED; AGAIN);
GUEST64(guest_x2apic_self, TOP; mov $VECTOR, %r10d; xor %r11d, %r11d; mov $MSR_SELF_IPI, %ecx;
	STAMP; wrmsr; STORE; HANDLED; AGAIN);
/* The EOI alone, of an interrupt that is in service. */
GUEST64(guest_eoi, TOP; mov $VECTOR, %eax; xor %edx, %edx; mov $MSR_SELF_IPI, %ecx; wrmsr; HANDLED;
	xor %r10d, %r10d; xor %r11d, %r11d; mov $MSR_EOI, %ecx; STAMP; wrmsr; STORE; AGAIN);

/* To another: until its handler has answered. PAUSE also lets an emulator turn to the other CPU. */
#define ANSWERED	1: pause; cmp %r13d, GUEST_ANSWERS; jb 1b
#define IPI		mov $VECTOR, %r10d; mov $1, %r11d; mov $MSR_ICR, %ecx; STAMP; wrmsr; ANSWERED; STORE
GUEST64(guest_ipi, TOP; IPI; AGAIN);
GUEST64(guest_ipi_halted, TOP; rdtsc; mov %eax, %r14d; 2: pause; rdtsc; sub %r14d, %eax; cmp $SETTLE, %eax; jb 2b;
	IPI; AGAIN);
GUEST64(guest_spins, sti; 1: pause; jmp 1b);
GUEST64(guest_halts, 1: sti; hlt; jmp 1b);

/* A deadline in the past; one that is only armed; one that is waited for, whose time counts from the deadline on. */
GUEST64(guest_deadline_past, TOP; mov $1, %r10d; xor %r11d, %r11d; mov $MSR_DEADLINE, %ecx; STAMP; wrmsr; STORE; HANDLED; AGAIN);
GUEST64(guest_deadline_arm, TOP; rdtsc; add $FAR, %eax; adc $0, %edx; mov %rax, %r10; mov %rdx, %r11;
	mov $MSR_DEADLINE, %ecx; STAMP; wrmsr; STORE; AGAIN);
GUEST64(guest_deadline, TOP; rdtsc; add $NEAR, %eax; adc $0, %edx; mov %eax, %r8d; mov $MSR_DEADLINE, %ecx; wrmsr;
	MARK(MARK_BEGIN); HANDLED; STORE; AGAIN);
/* Says that it runs, then sleeps until the next interrupt; STI holds it back until HLT has begun. */
GUEST64(guest_sleeper, mov $PORT_AWAKE, %ebx; 1: cli; mov %ebx, %edx; out %al, %dx; sti; hlt; jmp 1b);

/*
 * Each exit makes the window larger, until a loop as long doesn't exit; a sleep makes it small again. So after each sleep one loop
 * exits and the next doesn't: the difference is what the exits cost.
 */
#define PAUSE_LOOP	mov $PAUSES, %ecx; STAMP; 1: pause; dec %ecx; jnz 1b; STORE
GUEST64(guest_pause, TOP; cli; rdtsc; add $SETTLE, %eax; adc $0, %edx; mov $MSR_DEADLINE, %ecx; wrmsr; sti; hlt;
	PAUSE_LOOP; PAUSE_LOOP; AGAIN);

static void run_interrupt(const struct op *op, enum mode mode, const char *handler)
{
	struct bench b;

	begin(&b, mode);
	idt_gate(&b.vm, VECTOR, handler, 0x8e);
	if (op->arg)
		set_lapic_reg(b.v, 0x320, op->arg);
	run_loop(b.v, op->guest, 0, 0, COUNT);		/* warm */
	run_loop(b.v, op->guest, 0, 0, COUNT);
	take(&b, COUNT, 1);
	report(op->names);
}

static void run_xapic(const struct op *op)
{
	run_interrupt(op, XAPIC, eoi_x);
}

static void run_x2apic(const struct op *op)
{
	run_interrupt(op, X2APIC, eoi_x2);
}

static void run_eoi(const struct op *op)
{
	run_interrupt(op, X2APIC, no_eoi);
}

static void *other_vcpu(void *arg)
{
	struct vcpu *v = arg;

	pin(1);
	vcpu_run(v);
	return NULL;
}

/* A halted vCPU sleeps at once: what polling would spend depends on the clock. */
static void no_halt_polling(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL };

	if (vm_cap(vm, KVM_CAP_HALT_POLL) > 0)
		must_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void run_pause(const struct op *op)
{
	struct bench b;

	if (!host_flag("pausefilter") && !host_flag("ple"))
		cannot("PAUSE does not exit: no pause filter in this processor");
	begin(&b, X2APIC);
	no_halt_polling(&b.vm);
	idt_gate(&b.vm, VECTOR, eoi_x2, 0x8e);
	set_lapic_reg(b.v, 0x320, op->arg);
	for (int i = 0; i < 3; i++) {		/* the first warms */
		const u32 *took = gpa_ptr(&b.vm, GUEST_SAMPLES);

		run_loop(b.v, op->guest, 0, 0, COUNT / 2);
		for (int j = 0; i && j < COUNT; j += 2)
			sample(took[j] > took[j + 1] ? took[j] - took[j + 1] : 0);
	}
	report(op->names);
}

static void run_ipi(const struct op *op)
{
	struct bench b;
	struct vcpu *other;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cannot("needs two CPUs");
	begin(&b, X2APIC);
	no_halt_polling(&b.vm);
	idt_gate(&b.vm, VECTOR, eoi_x2, 0x8e);
	other = add_vcpu(&b.vm, 1, X2APIC, op->arg ? guest_halts : guest_spins);
	must(pthread_create(&other->thread, NULL, other_vcpu, other) == 0);
	msleep(100);
	run_loop(b.v, op->guest, 0, 0, COUNT);		/* warm */
	run_loop(b.v, op->guest, 0, 0, COUNT);
	take(&b, COUNT, 1);
	report(op->names);
}

static void route_msi(struct vm *vm)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} t = {
		.h.nr = 1,
		.e = { .gsi = GSI, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = LAPIC, .data = VECTOR } },
	};

	must_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &t);
}

static void *sleeper(void *arg)
{
	struct vcpu *v = arg;

	pin(0);
	vcpu_run(v);
	return NULL;
}

/* Signal the irqfd, wait for the guest's doorbell: both threads on one CPU, so one of them runs at any time. */
static u32 wake(int irq, int awake)
{
	u64 start = rdtsc();
	eventfd_t n;

	mark(MARK_BEGIN);
	must(eventfd_write(irq, 1) == 0 && eventfd_read(awake, &n) == 0);
	mark(MARK_END);
	return rdtsc() - start;
}

static void run_hlt_irqfd(const struct op *op)
{
	int irq = eventfd(0, 0), awake = eventfd(0, 0);
	struct kvm_irqfd f = { .fd = irq, .gsi = GSI };
	struct kvm_ioeventfd e = { .addr = PORT_AWAKE, .len = 1, .fd = awake, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct bench b;
	eventfd_t n;

	begin(&b, X2APIC);
	no_halt_polling(&b.vm);
	idt_gate(&b.vm, VECTOR, eoi_x2, 0x8e);
	route_msi(&b.vm);
	must_ioctl(b.vm.fd, KVM_IRQFD, &f);
	must_ioctl(b.vm.fd, KVM_IOEVENTFD, &e);
	vcpu_long(b.v, op->guest);
	must(pthread_create(&b.v->thread, NULL, sleeper, b.v) == 0);
	must(eventfd_read(awake, &n) == 0);
	for (int i = 0; i < COUNT / 4; i++)
		wake(irq, awake);
	for (int i = 0; i < COUNT; i++)
		sample(wake(irq, awake));
	report(op->names);
}

#define LVT_DEADLINE	(0x40000 | VECTOR)

const struct op interrupt_ops[] = {
	{ "pause_loop", run_pause, guest_pause, LVT_DEADLINE },
	{ "xapic_self_ipi", run_xapic, guest_xapic_self, 0 },
	{ "x2apic_self_ipi", run_x2apic, guest_x2apic_self, 0 },
	{ "eoi", run_eoi, guest_eoi, 0 },
	{ "x2apic_ipi", run_ipi, guest_ipi, 0 },
	{ "x2apic_ipi_halted", run_ipi, guest_ipi_halted, 1 },
	{ "tsc_deadline_immediate", run_x2apic, guest_deadline_past, LVT_DEADLINE },
	{ "tsc_deadline_arm", run_x2apic, guest_deadline_arm, LVT_DEADLINE },
	{ "tsc_deadline", run_x2apic, guest_deadline, LVT_DEADLINE },
	{ "hlt_irqfd_wake", run_hlt_irqfd, guest_sleeper, 0 },
	{}
};
