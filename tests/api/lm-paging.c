// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables: faults and their error codes, accessed and dirty bits, from ring 0
 * and ring 3.
 */
#include "lib/api.h"

#define P	1
#define W	2
#define U	4
#define PCD	0x10
#define A	0x20
#define D	0x40
#define NX	(1ull << 63)

#define VA	0x40000000u			/* 1 GB: the page that the probes touch, maps to PAGE */
#define PAGE	0x50000
#define USTACK	0x51000

GUEST64(probe_read, mov VA, %eax; jmp over);
GUEST64(probe_write, movl $0x77, VA; jmp over);
GUEST64(probe_exec, mov $VA, %eax; call *%rax; jmp over);
GUEST64(probe_rmw, lock incl VA; jmp over);
GUEST64(over, DONE);
/* To ring 3 at RDI; back by #BP, whose handler is ours. */
GUEST64(to_user,
	push $SEL_UDATA; push $USTACK + 0x1000; push $2; push $SEL_UCODE64; push %rdi; iretq);
GUEST64(user_read, mov VA, %eax; int3);
GUEST64(user_write, movl $0x78, VA; int3);
GUEST64(user_exec, mov $VA, %eax; call *%rax; int3);
GUEST64(user_over, int3);
GUEST64(user_done, DONE);

static const struct {
	const char *name, *entry;
	bool user;
	u64 flags;
} rows[] = {
	{ "read", probe_read, false, P | W },
	{ "write", probe_write, false, P | W },
	{ "read-modify-write", probe_rmw, false, P | W },
	{ "execute", probe_exec, false, P | W },
	{ "uncached", probe_write, false, P | W | PCD },
	{ "read, not present", probe_read, false, W },
	{ "write, not present", probe_write, false, 0 },
	{ "write, read-only", probe_write, false, P },
	{ "read-modify-write, read-only", probe_rmw, false, P },
	{ "execute, NX", probe_exec, false, P | W | NX },
	{ "read, NX", probe_read, false, P | W | NX },
	{ "read, reserved bit", probe_read, false, P | W | 1ull << 51 },
	{ "user read", user_read, true, P | W | U },
	{ "user write", user_write, true, P | W | U },
	{ "user execute", user_exec, true, P | U },
	{ "user read, supervisor", user_read, true, P | W },
	{ "user write, supervisor", user_write, true, P | W },
	{ "user write, read-only", user_write, true, P | U },
	{ "user read, not present", user_read, true, 0 },
	{ "user execute, NX", user_exec, true, P | U | NX },
};

static void probe(struct vcpu *v, const char *name, const char *entry, bool user, u64 flags)
{
	struct vm *vm = v->vm;
	struct kvm_regs r;
	u64 pte;

	shared(vm)->nlog = 0;
	shared(vm)->resume = (uintptr_t)(user ? user_over : over);
	map_4k(vm, VA, PAGE, flags);
	vcpu_long(v, user ? to_user : entry);
	get_regs(v, &r);
	r.rdi = (uintptr_t)entry;
	set_regs(v, &r);
	see("-- %s", name);
	check_eq(see_guest(v), GO_DONE);
	see_log(vm);
	pte = *pte_of(vm, VA);
	see("accessed=%d dirty=%d", !!(pte & A), !!(pte & D));
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, over);			/* makes the tables */
	idt_gate(&vm, 3, user_done, 0xee);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		*(u8 *)gpa_ptr(&vm, PAGE) = 0xc3;		/* RET, for the probes that execute */
		probe(v, rows[i].name, rows[i].entry, rows[i].user, rows[i].flags);
	}
}
