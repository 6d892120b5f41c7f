// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic, and the flags as APM 3 defines them for each instruction. Operands are zero-
 * extended to 64 bits; results too.
 * Undefined flags are left as they were, but for those that every processor is known to set alike.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include "emulate/private.h"

static u64 alu_flag_if(bool on, u64 flag)
{
	return on ? flag : 0;
}

static u64 alu_result_flags(u64 res, u8 size)
{
	return alu_flag_if(!(hweight8((u8)res) & 1), X86_EFLAGS_PF) |
	       alu_flag_if(!(res & emu_mask(size)), X86_EFLAGS_ZF) |
	       alu_flag_if(res & emu_sign_bit(size), X86_EFLAGS_SF);
}

static void alu_set_flags(u64 *rflags, u64 which, u64 to)
{
	*rflags = (*rflags & ~which) | to;
}

static u64 alu_add(u8 size, u64 a, u64 b, u64 carry, u64 *rflags)
{
	u64 mask = emu_mask(size), res = (a + b + carry) & mask;
	u64 carries = (a & b) | ((a | b) & ~res);

	alu_set_flags(
		rflags, EMU_ALU_FLAGS,
		alu_result_flags(res, size) |
			alu_flag_if(carries & emu_sign_bit(size), X86_EFLAGS_CF) |
			alu_flag_if(carries & 8, X86_EFLAGS_AF) |
			alu_flag_if((a ^ res) & (b ^ res) & emu_sign_bit(size), X86_EFLAGS_OF));
	return res;
}

static u64 alu_sub(u8 size, u64 a, u64 b, u64 borrow, u64 *rflags)
{
	u64 mask = emu_mask(size), res = (a - b - borrow) & mask;
	u64 borrows = (~a & b) | ((~a | b) & res);

	alu_set_flags(rflags, EMU_ALU_FLAGS,
		      alu_result_flags(res, size) |
			      alu_flag_if(borrows & emu_sign_bit(size), X86_EFLAGS_CF) |
			      alu_flag_if(borrows & 8, X86_EFLAGS_AF) |
			      alu_flag_if((a ^ b) & (a ^ res) & emu_sign_bit(size), X86_EFLAGS_OF));
	return res;
}

static u64 alu_logic(u8 size, u64 res, u64 *rflags)
{
	alu_set_flags(rflags, EMU_ALU_FLAGS, alu_result_flags(res, size));
	return res;
}

/* ADD to TEST. CMP and TEST return what isn't stored. */
u64 emu_alu(enum emu_op op, u8 size, u64 dst, u64 src, u64 *rflags)
{
	u64 carry = *rflags & X86_EFLAGS_CF;

	switch (op) {
	case OP_ADD: return alu_add(size, dst, src, 0, rflags);
	case OP_ADC: return alu_add(size, dst, src, carry, rflags);
	case OP_SUB:
	case OP_CMP: return alu_sub(size, dst, src, 0, rflags);
	case OP_SBB: return alu_sub(size, dst, src, carry, rflags);
	case OP_OR: return alu_logic(size, dst | src, rflags);
	case OP_XOR: return alu_logic(size, dst ^ src, rflags);
	default: return alu_logic(size, dst & src, rflags);
	}
}

u64 emu_unary(enum emu_op op, u8 size, u64 dst, u64 *rflags)
{
	u64 carry = *rflags & X86_EFLAGS_CF, res;

	switch (op) {
	case OP_NOT: return ~dst & emu_mask(size);
	case OP_NEG: return alu_sub(size, 0, dst, 0, rflags);
	case OP_INC: res = alu_add(size, dst, 1, 0, rflags); break;
	default: res = alu_sub(size, dst, 1, 0, rflags); break;
	}
	alu_set_flags(rflags, X86_EFLAGS_CF, carry);
	return res;
}

/* ------------------------------------------------------------------ shifts and rotates */

static u64 alu_rotate(enum emu_op op, u8 size, u64 dst, u8 count, u64 *rflags)
{
	u8 bits = size * 8, n = count % bits;
	u64 mask = emu_mask(size), res = dst, top, carry;

	if (op == OP_ROR)
		n = (bits - n) % bits;
	if (n)
		res = (dst << n | dst >> (bits - n)) & mask;
	top = res >> (bits - 1) & 1;
	carry = op == OP_ROL ? res & 1 : top;
	/* OF is defined for a count of 1 only; processors set it for all. */
	alu_set_flags(
		rflags, X86_EFLAGS_CF | X86_EFLAGS_OF,
		carry | alu_flag_if(op == OP_ROL ? top ^ carry : top ^ (res >> (bits - 2) & 1),
				    X86_EFLAGS_OF));
	return res;
}

static u64 alu_rotate_carry(enum emu_op op, u8 size, u64 dst, u8 count, u64 *rflags)
{
	u8 bits = size * 8;
	u64 carry = *rflags & X86_EFLAGS_CF, top;

	for (count %= bits + 1; count; count--) {
		u64 out;

		if (op == OP_RCL) {
			out = dst >> (bits - 1) & 1;
			dst = (dst << 1 | carry) & emu_mask(size);
		} else {
			out = dst & 1;
			dst = dst >> 1 | carry << (bits - 1);
		}
		carry = out;
	}
	top = dst >> (bits - 1) & 1;
	alu_set_flags(
		rflags, X86_EFLAGS_CF | X86_EFLAGS_OF,
		carry | alu_flag_if(op == OP_RCL ? top ^ carry : top ^ (dst >> (bits - 2) & 1),
				    X86_EFLAGS_OF));
	return dst;
}

static u64 alu_shift(enum emu_op op, u8 size, u64 dst, u8 count, u64 *rflags)
{
	u8 bits = size * 8;
	u64 mask = emu_mask(size), res, carry, of;

	if (op == OP_SHL || op == OP_SAL) {
		carry = count > bits ? 0 : dst >> (bits - count) & 1;
		res = count >= bits ? 0 : dst << count & mask;
		of = (res >> (bits - 1) & 1) ^ carry;
	} else if (op == OP_SHR) {
		carry = count > bits ? 0 : dst >> (count - 1) & 1;
		res = count >= bits ? 0 : dst >> count;
		of = dst >> (bits - 1) & 1;
	} else {
		s64 wide = (s64)emu_sign_extend(dst, size);

		carry = (u64)(wide >> (count - 1)) & 1;
		res = (u64)(wide >> count) & mask;
		of = 0;
	}
	alu_set_flags(rflags, EMU_ALU_FLAGS & ~(u64)X86_EFLAGS_AF,
		      carry | alu_result_flags(res, size) | alu_flag_if(of, X86_EFLAGS_OF));
	return res;
}

/* ROL to SAR. A count of zero (after masking) changes nothing. */
u64 emu_shift(enum emu_op op, u8 size, u64 dst, u64 count, u64 *rflags)
{
	count &= size == 8 ? 63 : 31;
	if (!count)
		return dst;
	if (op == OP_ROL || op == OP_ROR)
		return alu_rotate(op, size, dst, count, rflags);
	if (op == OP_RCL || op == OP_RCR)
		return alu_rotate_carry(op, size, dst, count, rflags);
	return alu_shift(op, size, dst, count, rflags);
}

/*
 * SHLD, SHRD. A count above 16 with 16-bit operands is undefined; like most processors, rotate
 * through both operands.
 */
u64 emu_shift_double(enum emu_op op, u8 size, u64 dst, u64 src, u64 count, u64 *rflags)
{
	u8 bits = size * 8;
	u64 res, carry, mask = emu_mask(size);

	count &= size == 8 ? 63 : 31;
	if (!count)
		return dst;
	if (count > bits) {
		u64 old = dst;

		count -= bits;
		dst = src;
		src = old;
	}
	if (op == OP_SHLD) {
		carry = dst >> (bits - count) & 1;
		res = (count == bits ? 0 : dst << count) | src >> (bits - count);
	} else {
		carry = dst >> (count - 1) & 1;
		res = (count == bits ? 0 : dst >> count) | src << (bits - count);
	}
	res &= mask;
	alu_set_flags(rflags, EMU_ALU_FLAGS & ~(u64)X86_EFLAGS_AF,
		      carry | alu_result_flags(res, size) |
			      alu_flag_if((res ^ dst) & emu_sign_bit(size), X86_EFLAGS_OF));
	return res;
}

/* ------------------------------------------------------------------ bits */

/* BT, BTS, BTR, BTC; @bit is below the width. */
u64 emu_bit(enum emu_op op, u8 size, u64 dst, u64 bit, u64 *rflags)
{
	u64 mask = 1ull << (bit & (size * 8 - 1));

	alu_set_flags(rflags, X86_EFLAGS_CF, alu_flag_if(dst & mask, X86_EFLAGS_CF));
	switch (op) {
	case OP_BTS: return dst | mask;
	case OP_BTR: return dst & ~mask;
	case OP_BTC: return dst ^ mask;
	default: return dst;
	}
}

/* BSF, BSR. A source of zero leaves the destination alone (APM 3). */
u64 emu_scan(enum emu_op op, u8 size, u64 dst, u64 src, u64 *rflags)
{
	alu_set_flags(rflags, X86_EFLAGS_ZF, alu_flag_if(!src, X86_EFLAGS_ZF));
	if (!src)
		return dst;
	return op == OP_BSF ? __ffs64(src) : fls64(src) - 1;
}

/* ------------------------------------------------------------------ multiplication and division */

static void mul_flags(u64 *rflags, bool overflow)
{
	alu_set_flags(rflags, X86_EFLAGS_CF | X86_EFLAGS_OF,
		      overflow ? X86_EFLAGS_CF | X86_EFLAGS_OF : 0);
}

/* The two- and three-operand forms of IMUL. */
u64 emu_imul3(u8 size, u64 a, u64 b, u64 *rflags)
{
	__int128 wide = (__int128)(s64)emu_sign_extend(a, size) * (s64)emu_sign_extend(b, size);
	u64 res = (u64)wide & emu_mask(size);

	mul_flags(rflags, wide != (s64)emu_sign_extend(res, size));
	return res;
}

/* rDX:rAX or AX, as two halves. */
static void wide_get(const struct emu *e, u8 size, u64 *lo, u64 *hi)
{
	*lo = emu_reg(e, REG_RAX, size);
	*hi = size == 1 ? e->priv.regs[REG_RAX] >> 8 & 0xff : emu_reg(e, REG_RDX, size);
}

static void wide_set(struct emu *e, u8 size, u64 lo, u64 hi)
{
	if (size == 1) {
		emu_set_reg(e, REG_RAX, 2, (hi & 0xff) << 8 | (lo & 0xff));
		return;
	}
	emu_set_reg(e, REG_RAX, size, lo);
	emu_set_reg(e, REG_RDX, size, hi);
}

static void multiply(struct emu *e, enum emu_op op, u8 size, u64 src)
{
	u64 a = emu_reg(e, REG_RAX, size), lo, hi;
	unsigned __int128 wide;

	if (op == OP_MUL)
		wide = (unsigned __int128)a * src;
	else
		wide = (unsigned __int128)((__int128)(s64)emu_sign_extend(a, size) *
					   (s64)emu_sign_extend(src, size));
	lo = (u64)wide & emu_mask(size);
	hi = (u64)(wide >> (size * 8)) & emu_mask(size);
	wide_set(e, size, lo, hi);
	mul_flags(&e->priv.rflags,
		  op == OP_MUL ? hi != 0 : hi != (lo & emu_sign_bit(size) ? emu_mask(size) : 0));
}

/* hi:lo / d, for hi < d: the quotient fits. */
static u64 divide_wide(u64 hi, u64 lo, u64 d, u64 *rem)
{
	u64 quotient;

	asm("divq %4" : "=a"(quotient), "=d"(*rem) : "0"(lo), "1"(hi), "rm"(d) : "cc");
	return quotient;
}

/* Dividend and divisor as 128- and 64-bit magnitudes. false: #DE. */
static bool divide(u8 size, u64 hi, u64 lo, u64 d, u64 *quotient, u64 *rem)
{
	unsigned __int128 n = (unsigned __int128)hi << (size * 8) | lo;

	hi = (u64)(n >> 64);
	if (hi >= d) /* this includes d == 0 */
		return false;
	*quotient = divide_wide(hi, (u64)n, d, rem);
	return !(*quotient & ~emu_mask(size));
}

static bool divide_signed(u8 size, u64 hi, u64 lo, u64 d, u64 *quotient, u64 *rem)
{
	bool n_negative = hi & emu_sign_bit(size), d_negative = d & emu_sign_bit(size);
	u64 mask = emu_mask(size), limit = emu_sign_bit(size);

	if (n_negative) {
		lo = -lo & mask;
		hi = (~hi + !lo) & mask;
	}
	if (d_negative)
		d = -d & mask;
	if (!divide(size, hi, lo, d, quotient, rem))
		return false;
	if (*quotient > (n_negative != d_negative ? limit : limit - 1))
		return false;
	if (n_negative != d_negative)
		*quotient = -*quotient & mask;
	if (n_negative)
		*rem = -*rem & mask;
	return true;
}

/* The one-operand forms, on rDX:rAX. */
enum emu_result emu_mul_div(struct emu *e, enum emu_op op, u8 size, u64 src)
{
	u64 lo, hi, quotient, rem;
	bool fits;

	if (op == OP_MUL || op == OP_IMUL) {
		multiply(e, op, size, src);
		return EMU_DONE;
	}
	wide_get(e, size, &lo, &hi);
	if (op == OP_DIV)
		fits = divide(size, hi, lo, src, &quotient, &rem);
	else
		fits = divide_signed(size, hi, lo, src, &quotient, &rem);
	if (!fits)
		return emu_raise_plain(e, X86_TRAP_DE);
	wide_set(e, size, quotient, rem);
	return EMU_DONE;
}

/* ------------------------------------------------------------------ */

/* The conditions of Jcc, SETcc, CMOVcc; odd codes are the opposite of the even ones. */
bool emu_condition(u8 code, u64 rflags)
{
	bool cf = rflags & X86_EFLAGS_CF, zf = rflags & X86_EFLAGS_ZF, sf = rflags & X86_EFLAGS_SF,
	     of = rflags & X86_EFLAGS_OF;
	bool yes;

	switch (code >> 1 & 7) {
	case 0: yes = of; break;
	case 1: yes = cf; break;
	case 2: yes = zf; break;
	case 3: yes = cf || zf; break;
	case 4: yes = sf; break;
	case 5: yes = rflags & X86_EFLAGS_PF; break;
	case 6: yes = sf != of; break;
	default: yes = zf || sf != of; break;
	}
	return yes != (code & 1);
}
