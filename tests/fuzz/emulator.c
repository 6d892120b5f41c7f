// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that a processor runs and the host's emulator doesn't. QEMU's TCG: what the rules in guest.c keep out, and what the
 * handlers of tests/api bear. Bochs: nested. Each says what came of it; where L1 dies instead, that is what came of it.
 *
 *	emulator lme | dr7 | shadow | twice | nested
 */
#include <sched.h>
#include "fuzz.h"

struct plain {
	int vm, vcpu;
	struct kvm_run *run;
	u8 *ram;
	struct kvm_sregs s;
};

/* A little memory with code at @rip, real mode. */
static struct plain plain_vm(const void *code, size_t n, u32 rip, bool irqchip)
{
	struct kvm_userspace_memory_region r = { .memory_size = 16 * PAGE_SIZE };
	struct kvm_regs regs = { .rip = rip, .rflags = 2, .rsp = 0x8000 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct plain p = { .vm = ioctl(kvm, KVM_CREATE_VM, 0) };

	if (irqchip && ioctl(p.vm, KVM_CREATE_IRQCHIP, 0))
		exit(2);
	p.vcpu = ioctl(p.vm, KVM_CREATE_VCPU, 0);
	p.run = mmap(NULL, PAGE_SIZE * RUN_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, p.vcpu, 0);
	p.ram = mmap(NULL, r.memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(p.ram + rip, code, n);
	r.userspace_addr = (uintptr_t)p.ram;
	if (ioctl(p.vm, KVM_SET_USER_MEMORY_REGION, &r) || ioctl(p.vcpu, KVM_GET_SREGS, &p.s))
		exit(2);
	p.s.cs.base = p.s.cs.selector = 0;
	ioctl(p.vcpu, KVM_SET_SREGS, &p.s);
	ioctl(p.vcpu, KVM_SET_REGS, &regs);
	return p;
}

static int run(struct plain *p, const char *what)
{
	struct kvm_regs regs;
	int ret = ioctl(p->vcpu, KVM_RUN, 0);

	ioctl(p->vcpu, KVM_GET_REGS, &regs);
	printf("%s: KVM_RUN = %d, exit %u at %llx\n", what, ret, p->run->exit_reason, regs.rip);
	fflush(stdout);
	return ret;
}

/* Without it KVM knows of no long mode. */
static void supported_cpuid(struct plain *p)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[100]; } cpuid = { .head.nent = 100 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) || ioctl(p->vcpu, KVM_SET_CPUID2, &cpuid))
		exit(2);
	close(kvm);
}

/* EFER.LME set, CR4.PAE and CR0.PG clear is what every kernel has for a moment before it turns long mode on. */
static void lme(void)
{
	struct plain p = plain_vm("\xf4", 1, 0x1000, false);

	supported_cpuid(&p);
	p.s.efer = 1 << 8;
	printf("KVM_SET_SREGS with EFER.LME = %d\n", ioctl(p.vcpu, KVM_SET_SREGS, &p.s));
	fflush(stdout);
	run(&p, "HLT with EFER.LME and neither CR4.PAE nor CR0.PG");
}

/*
 * A guest sets an instruction breakpoint at 2000; another guest, without breakpoints, has an instruction there. (The first
 * access to a debug register exits; what follows doesn't.)
 */
static void dr7(void)
{
	static const u8 set[] = { 0x66, 0xb8, 0, 0x20, 0, 0, 0x0f, 0x21, 0xf9, 0x0f, 0x23, 0xc0, 0x66, 0xb8, 2, 4, 0, 0, 0x0f, 0x23, 0xf8, 0xf4 };
	struct plain p, q;

	p = plain_vm(set, sizeof(set), 0x1000, false);
	q = plain_vm("\x90\x90\xf4", 3, 0x2000, false);
	run(&p, "a guest that sets a breakpoint");
	run(&q, "another guest, without any");
}

static void set_flags(struct plain *p, u64 rflags)
{
	struct kvm_regs regs;

	ioctl(p->vcpu, KVM_GET_REGS, &regs);
	regs.rflags = rflags;
	ioctl(p->vcpu, KVM_SET_REGS, &regs);
}

/* Entered in the shadow of STI: a window for interrupts is there when one instruction has been executed, at 1001. */
static void shadow(void)
{
	struct kvm_vcpu_events ev = { .flags = KVM_VCPUEVENT_VALID_SHADOW, .interrupt.shadow = KVM_X86_SHADOW_INT_STI };
	struct plain p = plain_vm("\x90\x90\xf4", 3, 0x1000, false);

	set_flags(&p, 0x202);
	ioctl(p.vcpu, KVM_SET_VCPU_EVENTS, &ev);
	p.run->request_interrupt_window = 1;
	run(&p, "a window behind STI");
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* An edge on the PIC's input 1, whose interrupt ends by itself. */
static void pic_init(struct plain *p)
{
	struct kvm_irqchip pic = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	ioctl(p->vm, KVM_GET_IRQCHIP, &pic);
	pic.chip.pic.irq_base = 0x20;
	pic.chip.pic.imr = 0;
	pic.chip.pic.auto_eoi = 1;
	ioctl(p->vm, KVM_SET_IRQCHIP, &pic);
}

static int pic_line(struct plain *p, int level)
{
	struct kvm_irq_level l = { .irq = 1, .level = level };

	return ioctl(p->vm, KVM_IRQ_LINE, &l);
}

/*
 * Interrupts, counted by their handler; one for each time that the guest comes by an OUT. Somebody who sleeps and wakes on the
 * host's other CPU takes TCG's attention off this one.
 */
static void twice(void)
{
	static const u8 loop[] = { 0xb9, 0, 0, 0xe2, 0xfe, 0xe6, 0x80, 0xeb, 0xf7 };	/* mov $0, %cx; 1: loop 1b; out %al, $0x80; jmp back */
	static const u8 handler[] = { 0xff, 6, 0, 6, 0xcf };				/* incw 0x600; iret */
	struct plain p = plain_vm(loop, sizeof(loop), 0x1000, true);
	volatile u16 *count = (u16 *)(p.ram + 0x600);
	int raised, sleeper = fork();

	pin(sleeper == 0);
	while (sleeper == 0)
		usleep(100);
	memcpy(p.ram + 0x1100, handler, sizeof(handler));
	*(u32 *)(p.ram + 0x21 * 4) = 0x1100;
	set_flags(&p, 0x202);
	pic_init(&p);
	for (raised = 0; raised < 10000; raised++) {
		if (pic_line(&p, 1) || ioctl(p.vcpu, KVM_RUN, 0) || p.run->exit_reason != KVM_EXIT_IO || pic_line(&p, 0))
			break;
	}
	printf("%d interrupts raised, %u taken\n", raised, *count);
	kill(sleeper, SIGKILL);
}

/*
 * Vectors 0x56 and 0x45 in x2APIC mode, both sent while IF is 0. The handler of the first ends it, and keeps IF 0 for a while in
 * which the host has interrupts of its own: the second must wait until it is over, at 0x81.
 */
static void nested(void)
{
	static const u8 code[] = {
		0x66, 0x31, 0xd2,							/* xor %edx, %edx */
		0x66, 0xb9, 0x0f, 8, 0, 0, 0x66, 0xb8, 0xff, 1, 0, 0, 0x0f, 0x30,	/* wrmsr: SVR = 0x1ff */
		0x66, 0xb9, 0x3f, 8, 0, 0, 0x66, 0xb8, 0x45, 0, 0, 0, 0x0f, 0x30,	/* SELF_IPI = 0x45 */
		0x66, 0xb9, 0x3f, 8, 0, 0, 0x66, 0xb8, 0x56, 0, 0, 0, 0x0f, 0x30,	/* SELF_IPI = 0x56 */
		0xfb, 0x90, 0xf4,							/* sti; nop; hlt */
	};
	static const u8 first[] = {
		0x66, 0x31, 0xc0, 0x66, 0xb9, 0x0b, 8, 0, 0, 0x0f, 0x30,		/* EOI */
		0x66, 0xb9, 0, 0, 0x40, 0, 0x66, 0x49, 0x75, 0xfc,			/* mov $0x400000, %ecx; 1: dec %ecx; jnz 1b */
		0xe6, 0x81, 0xcf,							/* out %al, $0x81; iret */
	};
	static const u8 second[] = { 0xe6, 0x80, 0xf4 };				/* out %al, $0x80; hlt */
	struct plain p = plain_vm(code, sizeof(code), 0x1000, true);

	supported_cpuid(&p);
	memcpy(p.ram + 0x1100, second, sizeof(second));
	memcpy(p.ram + 0x1200, first, sizeof(first));
	*(u32 *)(p.ram + 0x45 * 4) = 0x1100;
	*(u32 *)(p.ram + 0x56 * 4) = 0x1200;
	p.s.apic_base |= 0xc00;
	if (ioctl(p.vcpu, KVM_SET_SREGS, &p.s) || run(&p, "two interrupts") || p.run->exit_reason != KVM_EXIT_IO)
		exit(2);
	printf("the second one came %s\n", p.run->io.port == 0x81 ? "behind the first" : "while IF was 0");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "lme"))
		lme();
	else if (!strcmp(what, "dr7"))
		dr7();
	else if (!strcmp(what, "shadow"))
		shadow();
	else if (!strcmp(what, "twice"))
		twice();
	else if (!strcmp(what, "nested"))
		nested();
	else
		return 2;
	return 0;
}
