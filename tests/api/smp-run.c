// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four vCPUs at once: locked counters are exact, interrupts between two halted vCPUs go back and
 * forth, none is lost.
 */
#include "lib/api.h"

#define COUNTER	0x100000
#define LOOPS	20000
#define BALLS	200

GUEST64(adder, mov $LOOPS, %ecx; 1: lock incl COUNTER; dec %ecx; jnz 1b; DONE);
/* Player 0 begins; each waits for the ball (vector 0x45), returns it, and leaves after BALLS. */
GUEST64(player,
	mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx);
	mov 0x20(%rbx), %edi; xor $0x01000000, %edi;
	mov $BALLS, %ebp; xor %esi, %esi;
	test $0x01000000, %edi; jz 1f;
	mov %edi, 0x310(%rbx); movl $0x45, 0x300(%rbx);
	1: cli; cmp %esi, %gs:(4 * 0x45); jne 2f; sti; hlt; jmp 1b;
	2: inc %esi;
	mov %edi, 0x310(%rbx); movl $0x45, 0x300(%rbx);
	sti; dec %ebp; jnz 1b;
	DONE);

static struct vm vm;

static void all(const char *name, int n, const char *entry)
{
	see("-- %s", name);
	for (int i = 0; i < n; i++) {
		vcpu_long(&vm.vcpu[i], entry);
		set_mp_state(&vm.vcpu[i], KVM_MP_STATE_RUNNABLE);
	}
	for (int i = 0; i < n; i++)
		vcpu_go_thread(&vm.vcpu[i]);
	for (int i = 0; i < n; i++)
		check_eq(vcpu_join(&vm.vcpu[i]), GO_DONE);
}

void test(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	for (int i = 0; i < 4; i++)
		lapic_enable(vcpu_create(&vm, i));
	all("counter", 4, adder);
	see("%u", *(u32 *)gpa_ptr(&vm, COUNTER));
	check_eq(*(u32 *)gpa_ptr(&vm, COUNTER), 4 * LOOPS);
	shared(&vm)->eoi = EOI_LAPIC;
	all("back and forth", 2, player);
	see("%d balls", BALLS);
}
