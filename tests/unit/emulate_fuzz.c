// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer: any bytes as an instruction, in any mode, with any registers; effects are answered with the bytes that are left. The emulator must come to an
 * end, read and write nothing but the guest's, and leave registers alone when it faults in its first round.
 */
#define UNIT_NO_MAIN
#include "emu_world.h"

static const u8 *input;
static size_t input_left;

static u8 next_byte(void)
{
	if (!input_left)
		return 0;
	input_left--;
	return *input++;
}

/* Mostly addresses that mean something. */
static u64 next_value(void)
{
	u64 low = next_byte() | next_byte() << 8;

	switch (next_byte() & 7) {
	case 0:
		return DATA + low;
	case 1:
		return MMIO + low;
	case 2:
		return RAM + RAM_SIZE - 8 + (low & 15);
	case 3:
		return ROM + low;
	case 4:
		return low << 48 | low;
	case 5:
		return ~low;
	default:
		return low;
	}
}

static void answer(struct emu_effect *ef)
{
	ef->answer_fault = next_byte() & 1;
	SHIM_ASSERT(ef->len <= 16 || ef->kind == EFFECT_NONE);
	SHIM_ASSERT(ef->len * (u64)ef->count <= sizeof(ef->data));
	if (ef->kind == EFFECT_MMIO_READ || ef->kind == EFFECT_IO_READ)
		memset(ef->data, next_byte(), (size_t)ef->len * ef->count);
	else
		ef->value = next_value();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u64 regs[NR_REGS];
	enum emu_result r;
	int rounds = 0;
	bool asked = false;

	input = data;
	input_left = size;
	world_mode(next_byte() % 5);
	memset((void *)(RAM + 0x8000), 0x9a, 0x8000);
	E->cpl = E->mode == EMU_VM86 || next_byte() & 1 ? 3 : 0;
	E->paging.cr4 = next_value();
	E->rflags = (next_value() & 0x37fd5 & ~(u64)X86_EFLAGS_VM) | 2;
	if (E->mode == EMU_VM86)
		E->rflags |= X86_EFLAGS_VM;
	for (int i = 0; i < NR_REGS; i++)
		E->regs[i] = next_value();
	E->segs[next_byte() % NR_SEGS].limit = next_value();
	E->segs[next_byte() % NR_SEGS].type = next_byte() & 15;
	E->gdt = (struct kvm_dtable) { .base = DATA + 0x4000, .limit = next_value() };
	for (int i = 0; i < 16; i++)
		poke(code_address() + i, next_byte(), 1);
	memcpy(regs, E->regs, sizeof(regs));
	emu_begin(E);
	r = emu_insn_length(E);
	SHIM_ASSERT((int)r <= 15);
	E->insn_len = 0;
	emu_begin(E);
	while ((r = emu_run(E)) == EMU_EFFECT) {
		asked |= E->effect.kind >= EFFECT_CPUID || E->priv.rounds;
		answer(&E->effect);
		SHIM_ASSERT(++rounds < 3000);
	}
	SHIM_ASSERT(r == EMU_DONE || r == EMU_FAULT || r == EMU_UNHANDLED || r == EMU_AGAIN || r == EMU_BAD_HVA);
	if (r == EMU_FAULT) {
		SHIM_ASSERT(E->fault.kind == EVENT_EXCEPTION && E->fault.vector < 32);
		SHIM_ASSERT(asked || E->priv.rounds || !memcmp(regs, E->regs, sizeof(regs)));
	}
	return 0;
}
