// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_CPUID2, KVM_SET_CPUID, KVM_GET_CPUID2: what the guest's CPUID gives, leaves that are not
 * there, refused calls.
 */
#include "lib/api.h"

GUEST64(query, mov %esi, %eax; mov %edi, %ecx; cpuid; hlt);

static struct vm vm;
static struct vcpu *v;

static void ask(u32 leaf, u32 index)
{
	struct kvm_regs r;

	vcpu_long(v, query);
	get_regs(v, &r);
	r.rsi = leaf;
	r.rdi = index;
	r.rax = r.rbx = r.rcx = r.rdx = ~0ull;
	set_regs(v, &r);
	must(vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_HLT);
	get_regs(v, &r);
	see("%08x.%u: rax=%llx rbx=%llx rcx=%llx rdx=%llx", leaf, index, r.rax, r.rbx, r.rcx, r.rdx);
}

struct table {
	struct kvm_cpuid2 h;
	struct kvm_cpuid_entry2 e[8];
};

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/*
 * "AuthenticAMD", as in the processors that the tests run on: the vendor decides about leaves out
 * of range.
 */
static const struct table table = {
	.h.nent = 8,
	.e = {
		{ .function = 0, .eax = 0x10, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
		{ .function = 1, .eax = 0x800f12, .ebx = 0x01020304, .ecx = 0x80002001, .edx = 0x078bfbff },
		{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x121 },
		{ .function = 4, .index = 1, .flags = INDEXED, .eax = 0x122 },
		{ .function = 0x10, .eax = 0x10101010 },
		{ .function = 0x80000000, .eax = 0x80000008 },
		{ .function = 0x80000001, .edx = 0x28100800 },
		{ .function = 0x80000008, .eax = 0x3028 },
	},
};

static void bad(const char *name, struct table *t)
{
	see_result(name, ioctl(v->fd, KVM_SET_CPUID2, t));
}

/* Without the leaf that says that there is long mode. */
static void long_mode(void)
{
	struct kvm_sregs s, old;

	get_sregs(v, &s);
	old = s;
	s.cr0 = 0x80000011;
	s.cr4 = 0x20;
	s.efer = 0x500;
	s.cs.l = 1;
	see_result("long mode by KVM_SET_SREGS", ioctl(v->fd, KVM_SET_SREGS, &s));
	s.efer |= 0x800;
	see_result("with NX", ioctl(v->fd, KVM_SET_SREGS, &s));
	s = old;
	s.efer = 0x800;
	see_result("NX only", ioctl(v->fd, KVM_SET_SREGS, &s));
	s.efer = 1;
	see_result("SCE only", ioctl(v->fd, KVM_SET_SREGS, &s));
	see_result("nothing", ioctl(v->fd, KVM_SET_SREGS, &old));
}

/* The first form, without subleaves. */
static void old_form(void)
{
	struct {
		struct kvm_cpuid h;
		struct kvm_cpuid_entry e[5];
	} old = {
		.h.nent = 5,
		.e = {
			{ .function = 0, .eax = 4, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
			{ .function = 1, .eax = 0x800f12, .ebx = 0x0a0b0c0d, .edx = 0x078bfbff },
			{ .function = 4, .eax = 0x141 },
			{ .function = 0x80000000, .eax = 0x80000001 },
			{ .function = 0x80000001, .edx = 0x28100800 },
		},
	};

	vm_destroy(&vm);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	v->has_cpuid = true;
	old.h.nent = 3;
	see_ioctl(v->fd, KVM_SET_CPUID, &old);
	long_mode();
	old.h.nent = 5;
	see_ioctl(v->fd, KVM_SET_CPUID, &old);
	long_mode();
	ask(1, 0);
	ask(4, 0);
	ask(4, 1);
	ask(3, 0);
	old.h.nent = 100000;
	see_result("100000 entries", ioctl(v->fd, KVM_SET_CPUID, &old));
	see_result("bad address", ioctl(v->fd, KVM_SET_CPUID, 8));
	old.h.nent = 5;
	see_result("the same table after KVM_RUN", ioctl(v->fd, KVM_SET_CPUID, &old));
	old.e[1].ebx++;
	see_result("another one after KVM_RUN", ioctl(v->fd, KVM_SET_CPUID, &old));
}

void test(void)
{
	struct table t = table, back = { .h.nent = 8 };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_EXT_CPUID);
	v = vcpu_create(&vm, 0);
	v->has_cpuid = true;
	t.h.nent = 100000;
	bad("100000 entries", &t);
	t.h.nent = 0;
	bad("no entries", &t);
	t.h.nent = 8;
	see_ioctl(v->fd, KVM_SET_CPUID2, &t);
	back.h.nent = 3;
	see_result("KVM_GET_CPUID2 of three", ioctl(v->fd, KVM_GET_CPUID2, &back));
	see("nent %u", back.h.nent);
	back.h.nent = 8;
	see_ioctl(v->fd, KVM_GET_CPUID2, &back);
	see("nent %u", back.h.nent);
	check(memcmp(&table.e, &back.e, sizeof(back.e)) == 0);
	ask(0, 0);
	ask(1, 0);
	ask(4, 0);
	ask(4, 1);
	ask(4, 2);
	ask(2, 0);
	ask(0x10, 7);
	ask(0x11, 0);
	ask(0x40000000, 0);
	ask(0x80000000, 0);
	ask(0x80000001, 0);
	ask(0x80000008, 0);
	ask(0x80000009, 0);
	ask(0xc0000000, 0);
	see_result("the same table after KVM_RUN", ioctl(v->fd, KVM_SET_CPUID2, &t));
	t.e[1].ebx++;
	see_result("another one after KVM_RUN", ioctl(v->fd, KVM_SET_CPUID2, &t));
	see_result("bad address", ioctl(v->fd, KVM_SET_CPUID2, 8));
	old_form();
}
