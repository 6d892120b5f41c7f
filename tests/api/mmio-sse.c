// SPDX-License-Identifier: GPL-2.0-only
/* SSE and MMX moves on MMIO: what a guest's memcpy uses. */
#include "lib/api.h"

#define ROWS(X) \
	X(movups_w, "movups %xmm0, m", movups %xmm0, (%rbx)) \
	X(movups_r, "movups m, %xmm1", movups (%rbx), %xmm1) \
	X(movaps_w, "movaps %xmm0, m", movaps %xmm0, (%rbx)) \
	X(movdqu_w, "movdqu %xmm0, m", movdqu %xmm0, (%rbx)) \
	X(movdqu_r, "movdqu m, %xmm1", movdqu (%rbx), %xmm1) \
	X(movdqa_w, "movdqa %xmm0, m", movdqa %xmm0, (%rbx)) \
	X(movdqa_r, "movdqa m, %xmm1", movdqa (%rbx), %xmm1) \
	X(movntdq, "movntdq %xmm0, m", movntdq %xmm0, (%rbx)) \
	X(movntps, "movntps %xmm0, m", movntps %xmm0, (%rbx)) \
	X(movq_mmx, "movq %mm0, m", movq %mm0, (%rbx)) \
	X(movbe_r, "movbe m, %ecx", movbe (%rbx), %ecx) \
	X(movbe_w, "movbe %ecx, m", movbe %ecx, (%rbx)) \
	X(cmpxchg8b, "cmpxchg8b m", cmpxchg8b (%rbx)) \
	X(fnstcw_m, "fnstcw m", fnstcw (%rbx)) \
	X(misaligned, "movaps %xmm0, 8(m)", movaps %xmm0, 8(%rbx))

#define CODE(label, name, ...) GUEST64(label, \
	mov $MMIO_BASE, %ebx; mov $0x1122334455667788, %rax; movq %rax, %xmm0; movlhps %xmm0, %xmm0; \
	mov $0x0a0b0c0d, %ecx; movq %rax, %mm0; xorps %xmm1, %xmm1; xor %edx, %edx; \
	__VA_ARGS__; movups %xmm1, 0x50000; jmp over);
ROWS(CODE)
GUEST64(over, DONE);

#define ROW(label, name, ...) { name, label },
static const struct {
	const char *name, *entry;
} rows[] = { ROWS(ROW) };

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		shared(&vm)->nlog = 0;
		shared(&vm)->resume = (uintptr_t)over;
		see("-- %s", rows[i].name);
		see_exits(v);
		see_log(&vm);
		see_regs(v, "rax rcx rdx");
		see_bytes("xmm1", gpa_ptr(&vm, 0x50000), 16);
		memset(gpa_ptr(&vm, 0x50000), 0, 16);
	}
}
