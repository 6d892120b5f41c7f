/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that are named after what tools/check-returns has to say: each bad_* may return between a guest's exit and
 * the filling of the return stack buffer, no good_* does.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>

	.text

SYM_FUNC_START(good_return)
	vmrun	%rax
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	RET
SYM_FUNC_END(good_return)
STACK_FRAME_NON_STANDARD good_return

SYM_FUNC_START(good_return_of_another)
1:	vmresume
	call	good_return
	ALTERNATIVE "jmp 2f", "call good_return", X86_FEATURE_ALWAYS
2:	test	%eax, %eax
	jnz	1b
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	RET
SYM_FUNC_END(good_return_of_another)
STACK_FRAME_NON_STANDARD good_return_of_another

/* As src/hw/returns.h does it, without a loop. */
#define STRAIGHT_FILL(entries) .rept entries; __FILL_RETURN_SLOT; .endr; add $(8 * entries), %rsp; lfence

SYM_FUNC_START(good_return_straight)
	vmrun	%rax
	ALTERNATIVE "jmp 2f", __stringify(STRAIGHT_FILL(RSB_CLEAR_LOOPS)), X86_FEATURE_RSB_VMEXIT
2:	RET
SYM_FUNC_END(good_return_straight)
STACK_FRAME_NON_STANDARD good_return_straight

SYM_FUNC_START(bad_return_straight)
	vmrun	%rax
	ALTERNATIVE "jmp 2f", __stringify(STRAIGHT_FILL(RSB_CLEAR_LOOPS - 1)), X86_FEATURE_RSB_VMEXIT
2:	RET
SYM_FUNC_END(bad_return_straight)
STACK_FRAME_NON_STANDARD bad_return_straight

SYM_FUNC_START(bad_return)
	vmrun	%rax
	RET
SYM_FUNC_END(bad_return)
STACK_FRAME_NON_STANDARD bad_return

SYM_FUNC_START(bad_return_on_one_way)
	vmlaunch
	jbe	1f
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
1:	RET
SYM_FUNC_END(bad_return_on_one_way)
STACK_FRAME_NON_STANDARD bad_return_on_one_way

/* One slot is not all of them. */
SYM_FUNC_START(bad_return_little_filled)
	vmrun	%rax
	ALTERNATIVE "", __stringify(__FILL_ONE_RETURN), X86_FEATURE_RSB_VMEXIT_LITE
	RET
SYM_FUNC_END(bad_return_little_filled)
STACK_FRAME_NON_STANDARD bad_return_little_filled

SYM_FUNC_START(bad_return_by_jump)
	vmrun	%rax
	test	%eax, %eax
	jz	good_return
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	RET
SYM_FUNC_END(bad_return_by_jump)
STACK_FRAME_NON_STANDARD bad_return_by_jump

SYM_FUNC_START(bad_return_patched_in)
	vmrun	%rax
	ALTERNATIVE "", "ret", X86_FEATURE_ALWAYS
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	RET
SYM_FUNC_END(bad_return_patched_in)
STACK_FRAME_NON_STANDARD bad_return_patched_in

SYM_FUNC_START(bad_return_after_fault)
1:	vmrun	%rax
2:	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	vmrun	%rax
3:	nop
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
4:	RET
	_ASM_EXTABLE(3b, 4b)
SYM_FUNC_END(bad_return_after_fault)
STACK_FRAME_NON_STANDARD bad_return_after_fault
