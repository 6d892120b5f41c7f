// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SET_USER_MEMORY_REGION, refused: errno of each, and that nothing has changed. */
#include "lib/api.h"

#define A	0x40000000ull
#define SIZE	0x10000ull

GUEST64(guest, mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; DONE);

static struct vm vm;
static u8 *mem;

static const struct {
	const char *name;
	u32 slot, flags;
	u64 gpa, size, offset;
} rows[] = {
	{ "size not in pages", 2, 0, 0x60000000, 0x1800, 0 },
	{ "GPA not aligned", 2, 0, 0x60000800, 0x1000, 0 },
	{ "HVA not aligned", 2, 0, 0x60000000, 0x1000, 0x10 },
	{ "unknown flag", 2, 1u << 30, 0x60000000, 0x1000, 0 },
	{ "slot number too big", 40000, 0, 0x60000000, 0x1000, 0 },
	{ "address space 9, which no KVM has", 9u << 16 | 2, 0, 0x60000000, 0x1000, 0 },
	{ "HVA of the kernel", 2, 0, 0x60000000, 0x1000, 0xffff800000000000 },
	{ "HVA range wraps", 2, 0, 0x60000000, 0x20000, 0xfffffffffffff000 },
	{ "GPA range wraps", 2, 0, 0xfffffffffffff000, 0x2000, 0 },
	{ "more pages than an int", 2, 0, 0, 1ull << 44, 0 },
	{ "delete what is not", 5, 0, 0, 0, 0 },
	{ "overlap: the same", 2, 0, A, SIZE, 0 },
	{ "overlap: its end", 2, 0, A + SIZE - 0x1000, 0x2000, 0 },
	{ "overlap: its start", 2, 0, A - 0x1000, 0x2000, 0 },
	{ "overlap: inside", 2, 0, A + 0x1000, 0x1000, 0 },
	{ "overlap: around", 2, 0, A - 0x1000, SIZE + 0x2000, 0 },
	{ "overlap: slot 1 moved onto slot 0", 1, 0, RAM_SIZE - 0x1000, SIZE, 0 },
	{ "right before it", 2, 0, A - 0x1000, 0x1000, 0 },
	{ "right behind it", 3, 0, A + SIZE, 0x1000, 0 },
};

static void region2(const char *name, u32 slot, u32 flags, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)mem,
	};

	see_result(name, ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &r));
}

static void second_form(struct vcpu *v)
{
	region2("region2: overlap", 2, 0, A, SIZE);
	region2("region2: size not in pages", 2, 0, 0x60000000, 0x1800);
	region2("region2: memory of guest_memfd", 2, 4, 0x60000000, SIZE);
	region2("region2: unknown flag", 2, 1u << 30, 0x60000000, SIZE);
	region2("region2: moved away", 1, 0, 0x60000000, SIZE);
	region2("region2: and back", 1, 0, A, SIZE);
	vcpu_long(v, guest);
	v->nreports = 0;
	check_eq(see_guest(v), GO_DONE);
	region2("region2: deleted", 1, 0, 0, 0);
	vcpu_long(v, guest);
	check_eq(see_guest(v), KVM_EXIT_MMIO);
	see_result("region2: bad address", ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, 8));
}

void test(void)
{
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_USER_MEMORY2);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(u32 *)mem = 0xcafe;
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 hva = rows[i].offset > 0x1000 ? rows[i].offset : (uintptr_t)mem + rows[i].offset;

		see_result(rows[i].name, vm_slot(&vm, rows[i].slot, rows[i].flags, rows[i].gpa, rows[i].size, (void *)hva));
		vcpu_long(v, guest);
		v->nreports = 0;
		check_eq(vcpu_go(v), GO_DONE);
		check_eq(v->reports[0], 0xcafe);
	}
	see_result("bad address", ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, 8));
	second_form(v);
}
