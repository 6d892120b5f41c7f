// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: made, moved, deleted, two views of one memory, read-only, changed flags; what the
 * guest then sees.
 */
#include "lib/api.h"

#define A	0x40000000u
#define B	0x50000000u
#define SIZE	0x10000u

GUEST64(guest,
	mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; movl $0xa1, 4(%rbx);
	mov $B, %ebx; mov (%rbx), %eax; REPORT_EAX; movl $0xb1, 8(%rbx);
	DONE);
GUEST64(ro_code, mov $A + 0x100, %eax; call *%rax; REPORT_EAX; DONE);
GUEST64(ret42, mov $42, %eax; ret);

static struct vm vm;
static struct vcpu *v;
static u8 *mem;

/* MMIO reads answer 0x44332211, reports are said with the exits. */
static void run(const char *name)
{
	see("-- %s", name);
	memset(mem + 4, 0, 8);
	vcpu_long(v, guest);
	check_eq(see_exits(v), GO_DONE);
	see_bytes("memory", mem, 12);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_DESTROY_MEMORY_REGION_WORKS);
	need_cap(&vm, KVM_CAP_JOIN_MEMORY_REGIONS_WORKS);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(u32 *)mem = 0xcafe;
	*(u32 *)(mem + SIZE) = 0xbeef;
	run("no slot");
	see_result("make", vm_slot(&vm, 1, 0, A, SIZE, mem));
	run("at A");
	see_result("move", vm_slot(&vm, 1, 0, B, SIZE, mem));
	run("at B");
	see_result("a second view", vm_slot(&vm, 2, 0, A, SIZE, mem));
	run("at A and B");
	see_result("delete", vm_slot(&vm, 1, 0, 0, 0, NULL));
	run("at A again");
	see_result("other memory, without deleting", vm_slot(&vm, 2, 0, A, SIZE, mem + SIZE));
	see_result("other size, without deleting", vm_slot(&vm, 2, 0, A, SIZE / 2, mem));
	see_result("delete", vm_slot(&vm, 2, 0, 0, 0, NULL));
	see_result("other memory", vm_slot(&vm, 2, 0, A, SIZE, mem + SIZE));
	run("the other memory at A");
	see_result("delete", vm_slot(&vm, 2, 0, 0, 0, NULL));
	if (vm_cap(&vm, KVM_CAP_READONLY_MEM) <= 0) {
		see("KVM_CAP_READONLY_MEM is not advertised");
		return;
	}
	see_result("read-only", vm_slot(&vm, 1, KVM_MEM_READONLY, A, SIZE, mem));
	run("read-only at A");
	memcpy(mem + 0x100, gpa_ptr(&vm, (uintptr_t)ret42), 16);
	vcpu_long(v, ro_code);
	see("-- code in it");
	check_eq(see_guest(v), GO_DONE);
	see_result("writable, without deleting", vm_slot(&vm, 1, 0, A, SIZE, mem));
	see_result("delete", vm_slot(&vm, 1, 0, 0, 0, NULL));
	see_result("writable", vm_slot(&vm, 1, 0, A, SIZE, mem));
	run("writable at A");
	see_result("log on", vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, A, SIZE, mem));
	run("with log at A");
	see_result("moved with log", vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, B, SIZE, mem));
	run("with log at B");
}
