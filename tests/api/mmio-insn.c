// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions on MMIO beside MOV: read-modify-write, compare, exchange, stack, bits. One row each, with the flags that
 * the manual defines for it.
 */
#include "lib/api.h"

#define A	(%rbx)

#define ALL	0x8d5			/* OF SF ZF AF PF CF */
#define NO_AF	0x8c5
#define CF_OF	0x801
#define CF	1

#define INSNS(X) \
	X(add_rm, ALL, "add %eax, m", add %eax, A) \
	X(add_mr, ALL, "add m, %eax", add A, %eax) \
	X(add_b, ALL, "addb $1, m", addb $1, A) \
	X(adc_q, ALL, "stc; adc %rax, m", stc; adc %rax, A) \
	X(sub_w, ALL, "sub %ax, m", sub %ax, A) \
	X(sbb_l, ALL, "stc; sbb m, %eax", stc; sbb A, %eax) \
	X(and_q, NO_AF, "and %rax, m", and %rax, A) \
	X(and_il, NO_AF, "andl $0xff00, m", andl $0xff00, A) \
	X(or_b, NO_AF, "orb $0x80, m", orb $0x80, A) \
	X(or_mr, NO_AF, "or m, %rax", or A, %rax) \
	X(xor_l, NO_AF, "xor %eax, m", xor %eax, A) \
	X(lock_or, NO_AF, "lock orl $1, m", lock orl $1, A) \
	X(cmp_rm, ALL, "cmp %eax, m", cmp %eax, A) \
	X(cmp_i, ALL, "cmpl $0x44332211, m", cmpl $0x44332211, A) \
	X(cmp_mr, ALL, "cmp m, %ax", cmp A, %ax) \
	X(test_r, NO_AF, "test %eax, m", test %eax, A) \
	X(test_i, NO_AF, "testb $0x10, m", testb $0x10, A) \
	X(inc_l, ALL, "incl m", incl A) \
	X(dec_w, ALL, "decw m", decw A) \
	X(not_l, ALL, "notl m", notl A) \
	X(neg_b, ALL, "negb m", negb A) \
	X(xchg_l, ALL, "xchg %eax, m", xchg %eax, A) \
	X(xchg_q, ALL, "xchg %rax, m", xchg %rax, A) \
	X(xadd_l, ALL, "xadd %ecx, m", xadd %ecx, A) \
	X(cmpxchg_ne, ALL, "cmpxchg %ecx, m", cmpxchg %ecx, A) \
	X(cmpxchg_eq, ALL, "mov $0x44332211, %eax; cmpxchg %ecx, m", mov $0x44332211, %eax; cmpxchg %ecx, A) \
	X(bt_i, CF, "btl $4, m", btl $4, A) \
	X(bts_i, CF, "btsl $3, m", btsl $3, A) \
	X(btr_i, CF, "btrl $0, m", btrl $0, A) \
	X(btc_r, CF, "btc %ecx, m", btc %ecx, A) \
	X(shl_i, NO_AF, "shll $4, m", shll $4, A) \
	X(sar_1, NO_AF, "sarw m", sarw A) \
	X(mul_b, CF_OF, "mulb m", mulb A) \
	X(imul_rm, CF_OF, "imul m, %ecx", imul A, %ecx) \
	X(imul_rmi, CF_OF, "imul $3, m, %ecx", imul $3, A, %ecx) \
	X(push_m, ALL, "push m; pop %rcx", pushq A; pop %rcx) \
	X(pop_m, ALL, "push %rcx; pop m", push %rcx; popq A) \
	X(cmov_y, ALL, "cmp %rax, %rax; cmove m, %ecx", cmp %rax, %rax; cmove A, %ecx) \
	X(cmov_n, ALL, "cmp %rax, %rax; cmovne m, %ecx", cmp %rax, %rax; cmovne A, %ecx) \
	X(sete_m, ALL, "cmp %rax, %rax; sete m", cmp %rax, %rax; sete A) \
	X(lods_b, ALL, "mov %ebx, %esi; lodsb", mov %ebx, %esi; lodsb) \
	X(lods_q, ALL, "mov %ebx, %esi; lodsq", mov %ebx, %esi; lodsq) \
	X(stos_l, ALL, "mov %ebx, %edi; stosl", mov %ebx, %edi; stosl) \
	X(scas_l, ALL, "mov %ebx, %edi; scasl", mov %ebx, %edi; scasl)

#define CODE(label, flags, name, ...) GUEST64(label, __VA_ARGS__; hlt);
INSNS(CODE)

#define ROW(label, flags, name, ...) { name, label, flags },
static const struct {
	const char *name, *entry;
	u64 flags;
} rows[] = { INSNS(ROW) };

static void run(struct vcpu *v, const char *name, const char *entry, u64 flags)
{
	struct kvm_regs r;

	vcpu_long(v, entry);
	get_regs(v, &r);
	r.rax = 0x0102030405060708;
	r.rbx = MMIO_BASE;
	r.rcx = 0x0000000090a0b0c5;
	set_regs(v, &r);
	see("-- %s", name);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	get_regs(v, &r);
	see("rax=0x%llx rcx=0x%llx rdx=0x%llx rsi=0x%llx rdi=0x%llx flags=0x%llx", r.rax, r.rcx, r.rdx, r.rsi, r.rdi,
	    r.rflags & flags);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run(v, rows[i].name, rows[i].entry, rows[i].flags);
}
