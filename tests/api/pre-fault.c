// SPDX-License-Identifier: GPL-2.0-only
/* KVM_PRE_FAULT_MEMORY: maps memory ahead of the guest, and says what is left to do; refused calls; holes. */
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x40000u
#define PAGES	(SIZE / PAGE_SIZE)

GUEST64(touch_all, mov $A, %ebx; mov $PAGES, %ecx; 1: incl (%rbx); add $0x1000, %ebx; dec %ecx; jnz 1b; DONE);
GUEST64(enter, DONE);

static struct vm vm;
static struct vcpu *v;

static void pre_fault(const char *name, u64 gpa, u64 size, u64 flags)
{
	struct kvm_pre_fault_memory r = { .gpa = gpa, .size = size, .flags = flags };

	see_result(name, ioctl(v->fd, KVM_PRE_FAULT_MEMORY, &r));
	see("  left: gpa=0x%llx size=0x%llx", (unsigned long long)r.gpa, (unsigned long long)r.size);
}

/* How many faults the guest takes to write each page once. */
static void run(const char *name)
{
	u64 before = stat_of(v->fd, "pf_taken");

	vcpu_long(v, touch_all);
	check_eq(see_guest(v), GO_DONE);
	see("%s: the guest faulted %s", name, stat_of(v->fd, "pf_taken") - before >= PAGES ? "on each page" : "less often");
}

void test(void)
{
	u8 *mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(mem, 2 * SIZE, MADV_NOHUGEPAGE);
	memset(mem, 0, 2 * SIZE);
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_PRE_FAULT_MEMORY);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, touch_all);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	pre_fault("flags", A, SIZE, 1);
	pre_fault("GPA not aligned", A + 0x800, SIZE, 0);
	pre_fault("size not aligned", A, 0x800, 0);
	pre_fault("empty", A, 0, 0);
	pre_fault("wraps", 0xfffffffffffff000, 0x2000, 0);
	pre_fault("no slot", A + SIZE, 0x1000, 0);
	pre_fault("beyond the guest's physical addresses", 1ull << 60, 0x1000, 0);
	run("untouched");
	must(vm_slot(&vm, 1, 0, A, 0, NULL) == 0);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem + SIZE) == 0);
	vcpu_long(v, enter);	/* Linux 6.12's call never ends when it is the first thing after a slot was deleted */
	check_eq(vcpu_go(v), GO_DONE);
	pre_fault("all of it", A, SIZE, 0);
	run("mapped ahead");
	check_eq(*(u32 *)(mem + SIZE), 1);
	check_eq(*(u32 *)(mem + 2 * SIZE - PAGE_SIZE), 1);
	pre_fault("again", A, SIZE, 0);
	pre_fault("more than the slot", A + SIZE - 0x2000, 0x4000, 0);
	must(mprotect(mem + SIZE + 0x4000, 0x1000, PROT_NONE) == 0);
	must(vm_slot(&vm, 1, 0, A, 0, NULL) == 0);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem + SIZE) == 0);
	vcpu_long(v, enter);	/* Linux 6.12's call never ends when it is the first thing after a slot was deleted */
	check_eq(vcpu_go(v), GO_DONE);
	pre_fault("a page without access within", A + 0x2000, 0x8000, 0);
	pre_fault("that page first", A + 0x4000, 0x4000, 0);
	must(mprotect(mem + SIZE + 0x4000, 0x1000, PROT_READ) == 0);
	pre_fault("a read-only page", A + 0x4000, 0x1000, 0);
	see_result("bad address", ioctl(v->fd, KVM_PRE_FAULT_MEMORY, 8));
}
