// SPDX-License-Identifier: GPL-2.0-only
/* The 8259 pair: edge and level, masks, priority, cascade, EOI, and what its registers read. */
#include "lib/api.h"

GUEST64(init,
	mov $0x11, %al; out %al, $0x20; out %al, $0xa0;
	mov $0x20, %al; out %al, $0x21; mov $0x28, %al; out %al, $0xa1;
	mov $4, %al; out %al, $0x21; mov $2, %al; out %al, $0xa1;
	mov $1, %al; out %al, $0x21; out %al, $0xa1;
	mov $0, %al; out %al, $0x21; out %al, $0xa1;
	mov $0x4d1, %edx; mov $2, %al; out %al, %dx;		/* line 9 is level-triggered */
	DONE);
GUEST64(window, sti; nop; nop; cli; DONE);
GUEST64(mask_3, in $0x21, %al; or $8, %al; out %al, $0x21; DONE);
GUEST64(unmask_3, in $0x21, %al; and $~8, %al; out %al, $0x21; DONE);
GUEST64(registers,
	xor %eax, %eax;
	mov $0x0a, %al; out %al, $0x20; in $0x20, %al; REPORT_EAX;	/* IRR */
	mov $0x0b, %al; out %al, $0x20; in $0x20, %al; REPORT_EAX;	/* ISR */
	mov $0x0a, %al; out %al, $0xa0; in $0xa0, %al; REPORT_EAX;
	mov $0x0b, %al; out %al, $0xa0; in $0xa0, %al; REPORT_EAX;
	in $0x21, %al; REPORT_EAX;
	in $0xa1, %al; REPORT_EAX;
	mov $0x4d0, %edx; in %dx, %al; REPORT_EAX; inc %edx; in %dx, %al; REPORT_EAX;
	DONE);
/* The handler of the level-triggered line asks user space first. */
GUEST64(level_handler,
	push %rax; out %al, $0x90; mov $0x20, %al; out %al, $0xa0; out %al, $0x20; pop %rax; iretq);

static struct vm vm;
static struct vcpu *v;

static void run(const char *what, const char *entry)
{
	shared(&vm)->nlog = 0;
	vcpu_long(v, entry);
	see("-- %s", what);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
}

static void pulse(int line)
{
	irq_line(&vm, line, 1);
	irq_line(&vm, line, 0);
}

static void status(int line, int level)
{
	struct kvm_irq_level l = { .irq = line, .level = level };
	long ret = ioctl(vm.fd, KVM_IRQ_LINE_STATUS, &l);

	see("KVM_IRQ_LINE_STATUS(%d, %d) = %ld status=%d", line, level, ret, l.status);
}

static void level_triggered(void)
{
	int asked = 0;

	idt_gate(&vm, 0x29, level_handler, 0x8e);
	vcpu_long(v, window);
	irq_line(&vm, 9, 1);
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x90) {
		if (++asked == 3)
			irq_line(&vm, 9, 0);
	}
	see_exit(v);
	see("the level-triggered line interrupted %d times", asked);
	check_eq(asked, 3);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IRQ_INJECT_STATUS);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, init);
	shared(&vm)->eoi = EOI_PIC;
	run("set up", init);
	run("nothing pending", window);
	irq_line(&vm, 3, 1);
	run("registers with line 3 up", registers);
	run("line 3 up", window);
	run("line 3 still up", window);
	irq_line(&vm, 3, 0);
	irq_line(&vm, 3, 1);
	run("line 3 down and up", window);
	irq_line(&vm, 3, 0);
	run("mask line 3", mask_3);
	irq_line(&vm, 3, 1);
	run("line 3 up, masked", window);
	run("unmask line 3", unmask_3);
	run("line 3 up, unmasked", window);
	irq_line(&vm, 3, 0);
	irq_line(&vm, 5, 1);
	irq_line(&vm, 4, 1);
	irq_line(&vm, 12, 1);
	run("lines 5, 4 and 12: by priority", window);
	irq_line(&vm, 5, 0);
	irq_line(&vm, 4, 0);
	irq_line(&vm, 12, 0);
	irq_line(&vm, 10, 1);
	run("registers with line 10 up", registers);
	irq_line(&vm, 10, 0);
	run("line 10 came and went", window);
	level_triggered();
	status(6, 1);
	status(6, 1);
	status(6, 0);
	run("line 6", window);
	pulse(6);
	run("line 6 pulsed", window);
}
