// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that are named after what tools/check-branches has to say: each bad_* has one indirect branch, each good_*
 * has none once the kernel has patched the module, and listed_* has one that the self-test lists.
 */
#include <linux/module.h>
#include <linux/static_call.h>
#include <asm/msr.h>
#include <asm/paravirt.h>

int bad_call(int (*function)(int));
int bad_jump(int (*function)(int));
void bad_asm_call(void);
void bad_asm_jump(void);
void bad_memory_call(void);
int listed_call(int (*function)(int));
u64 good_paravirt(void);
int good_static_call(void);
int good_direct(void);
int direct_target(int value);

DEFINE_STATIC_CALL_RET0(fixture_static, direct_target);

int bad_call(int (*function)(int))
{
	return function(1) + 1;
}

int bad_jump(int (*function)(int))
{
	return function(1);
}

void bad_asm_call(void)
{
	asm volatile(ANNOTATE_RETPOLINE_SAFE "call *%%rax" ::: "memory");
}

void bad_asm_jump(void)
{
	asm volatile(ANNOTATE_RETPOLINE_SAFE "jmp *%%rax" ::: "memory");
}

/* Through pv_ops as paravirt does, but at a site that nobody patches. */
void bad_memory_call(void)
{
	asm volatile(ANNOTATE_RETPOLINE_SAFE "call *pv_ops+8(%%rip)" ::: "memory");
}

static __always_inline int listed_inline(int (*function)(int))
{
	return function(2) + 1;
}

int listed_call(int (*function)(int))
{
	return listed_inline(function);
}

u64 good_paravirt(void)
{
	unsigned long flags;
	u64 value;

	local_irq_save(flags);
	rdmsrl(MSR_EFER, value);
	wrmsrl(MSR_EFER, value);
	local_irq_restore(flags);
	return value;
}

int good_static_call(void)
{
	return static_call(fixture_static)(3) + 1;
}

noinline int direct_target(int value)
{
	barrier();
	return value;
}

int good_direct(void)
{
	return direct_target(4) + 1;
}

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Fixture of tools/check-branches");
