// SPDX-License-Identifier: GPL-2.0-only
/* The 8254: ticks of channel 0 through the PIC, what the counters read, channel 2 and port 0x61. */
#include "lib/api.h"

#define COUNT	%gs:(4 * 0x20)

GUEST64(pic_init,
	mov $0x11, %al; out %al, $0x20; mov $0x20, %al; out %al, $0x21; mov $4, %al; out %al, $0x21;
	mov $1, %al; out %al, $0x21; mov $0xfe, %al; out %al, $0x21; mov $0xff, %al; out %al, $0xa1;
	DONE);
GUEST64(rate,						/* mode 2, 1 kHz */
	mov $0x34, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x40; mov $4, %al; out %al, $0x40;
	sti;
	1: hlt; cmpl $10, COUNT; jb 1b;
	cli; DONE);
GUEST64(one_shot,					/* mode 0: one tick */
	mov $0x30, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x40; mov $4, %al; out %al, $0x40;
	sti;
	1: hlt; cmpl $1, COUNT; jb 1b;
	cli;
	mov COUNT, %eax; REPORT_EAX;
	DONE);
GUEST64(latch,						/* a counter runs down; a latched value stays */
	mov $0x34, %al; out %al, $0x43; mov $0, %al; out %al, $0x40; out %al, $0x40;
	mov $0, %al; out %al, $0x43;
	in $0x40, %al; mov %al, %bl; in $0x40, %al; mov %al, %bh;
	mov $100000, %ecx; 1: dec %ecx; jnz 1b;
	mov $0, %al; out %al, $0x43;
	mov $100000, %ecx; 1: dec %ecx; jnz 1b;
	in $0x40, %al; mov %al, %dl; in $0x40, %al; mov %al, %dh;
	cmp %dx, %bx; setne %al; movzbl %al, %eax; REPORT_EAX;
	DONE);
GUEST64(status,						/* read-back: status of each channel */
	mov $0x34, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x40; mov $4, %al; out %al, $0x40;
	mov $0xb6, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x42; mov $4, %al; out %al, $0x42;
	xor %eax, %eax;
	mov $0xe2, %al; out %al, $0x43; in $0x40, %al; and $0x3f, %al; REPORT_EAX;
	mov $0xe8, %al; out %al, $0x43; in $0x42, %al; and $0x3f, %al; REPORT_EAX;
	mov $0x58, %al; out %al, $0x43;
	mov $0xe4, %al; out %al, $0x43; in $0x41, %al; and $0x3f, %al; REPORT_EAX;
	DONE);
GUEST64(speaker,					/* channel 2, mode 0: its output appears in port 0x61 */
	xor %eax, %eax;
	mov $0, %al; out %al, $0x61;
	mov $0xb0, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x42; mov $4, %al; out %al, $0x42;
	mov $1, %al; out %al, $0x61;
	1: in $0x61, %al; test $0x20, %al; jz 1b;
	and $0x2f, %al; REPORT_EAX;
	mov $3, %al; out %al, $0x61; in $0x61, %al; and $0x2f, %al; REPORT_EAX;
	mov $0, %al; out %al, $0x61; in $0x61, %al; and $0x0f, %al; REPORT_EAX;
	DONE);

void test(void)
{
	static const struct {
		const char *name, *entry;
	} rows[] = {
		{ "PIC", pic_init }, { "rate generator", rate }, { "one-shot", one_shot }, { "latch", latch },
		{ "status", status }, { "speaker port", speaker },
	};
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_PIT2);
	vm_irqchip(&vm);
	see_ioctl(vm.fd, KVM_CREATE_PIT2, &config);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		shared(&vm)->eoi = EOI_PIC;
		counts(v)[0x20] = 0;
		see("-- %s", rows[i].name);
		check_eq(see_guest(v), GO_DONE);
	}
}
