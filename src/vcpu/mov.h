/* SPDX-License-Identifier: GPL-2.0-only */
/* What vcpu/mov.c remembers of a MOV with a device. */
#ifndef VCPU_MOV_H
#define VCPU_MOV_H

#include "emulate/emulate.h"

struct vcpu_x86;
struct io_memo;

struct mov_entry {
	u64 __user *at;
	u64 val;
};

struct mov_site {
	u64 cr3, rip;
	/*
	 * of the memslots that the addresses below are from; all ones, which none has: nothing is
	 * remembered here
	 */
	u64 generation;
	struct mov_entry entry[5];	/* those beyond the walk's end repeat the last */
	u64 __user *code;
	u64 bytes[2], mask[2];
	struct emu_mov mov;
	u64 la57;		/* X86_CR4_LA57: a walk of five levels */
	u32 access;		/* ACCESS_WRITE or ACCESS_READ */
};

void mov_learn(struct vcpu_x86 *v, u64 rip);
bool fast_mov(struct vcpu_x86 *v, const struct hw_exit *exit, const struct io_memo *memo);
bool vcpu_mov(struct vcpu_x86 *v, const struct hw_exit *exit, int *next);
void mov_take_answer(struct vcpu_x86 *v, const struct emu_mov *m);

#endif
