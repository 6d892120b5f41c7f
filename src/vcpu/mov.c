// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV between a device and a register: nearly every MMIO access of a 64-bit guest is one. The
 * emulator decodes it the first time; from then on it is done here, without the emulator, and with
 * IRQs off where the device allows it.
 *
 * A site is where such a MOV was found: CR3, RIP, the entries of the guest's page tables on the way
 * there, and the bytes of the instruction. At each exit the entries and the bytes are read again
 * and compared, so that a site which holds is what a fresh walk and a fresh decoding would find.
 *
 * What the processor checked before it looked for the memory itself - the segment, rights, the
 * guest's own accessed and dirty bits - isn't checked again: the exit came for the operand's final
 * address. That it is this operand's is told by the offset in the page, which the registers must
 * give too; so an access that begins in the page before is left to the emulator.
 */
#include <linux/uaccess.h>
#include "vcpu/fast_inline.h"
#include "vcpu/io_inline.h"

#define GUEST_PTE_P	BIT_ULL(0)
#define GUEST_PTE_PS	BIT_ULL(7)
/* Accessed and dirty may change at any time and mean nothing here. */
#define GUEST_PTE_AD	(BIT_ULL(5) | BIT_ULL(6))

static __always_inline struct mov_site *mov_site(struct vcpu_x86 *v, u64 rip)
{
	struct mov_site *s;

	BUILD_BUG_ON(ARRAY_SIZE(v->mov_sites) & (ARRAY_SIZE(v->mov_sites) - 1));
	s = &v->mov_sites[(rip ^ rip >> 4) & (ARRAY_SIZE(v->mov_sites) - 1)];
	/* Or GCC keeps the index and multiplies it anew for each field. */
	OPTIMIZER_HIDE_VAR(s);
	return s;
}

/* ------------------ learning a site: IRQs on, vm->srcu held */

/* Walk to @s->rip and keep each entry. false: not a walk that can be remembered. */
static bool mov_walk(struct vcpu_x86 *v, struct mov_site *s)
{
	u64 table = s->cr3 & GENMASK_ULL(51, 12), val, offset;
	int shift, entries = 0, i;

	for (shift = s->la57 ? 48 : 39; ; shift -= 9) {
		u64 __user *at = (u64 __user *)site_hva(v, table + (s->rip >> shift & 511) * 8);

		if (!at || get_user(val, at) || !(val & GUEST_PTE_P))
			return false;
		s->entry[entries].at = at;
		s->entry[entries++].val = val;
		if (shift == 12 || ((val & GUEST_PTE_PS) && shift <= 30))
			break;
		table = val & GENMASK_ULL(51, 12);
	}
	for (i = entries; i < ARRAY_SIZE(s->entry); i++)
		s->entry[i] = s->entry[i - 1];
	offset = BIT_ULL(shift) - 1;
	s->code = (void __user *)site_hva(v, (val & GENMASK_ULL(51, 12) & ~offset) |
						  (s->rip & offset));
	return s->code;
}

/**
 * mov_learn() - the emulator has just decoded the instruction at @rip: remember it if it is a plain
 * MOV. vm->srcu held, IRQs on; may sleep.
 */
void mov_learn(struct vcpu_x86 *v, u64 rip)
{
	struct mov_site *s = mov_site(v, rip), found = {
		.cr3 = hw_cr3(&v->hw),
		.rip = rip,
		.generation = memslots(v->vcpu.vm)->generation,
		.la57 = hw_la57(&v->hw),
	};

	/* The bytes are compared as two words, which must not leave the page. */
	if ((rip & ~PAGE_MASK) > PAGE_SIZE - sizeof(found.bytes) ||
	    !emu_plain_mov(v->emu, &found.mov) || !mov_walk(v, &found))
		return;
	found.access = found.mov.store ? ACCESS_WRITE : ACCESS_READ;
	memcpy(found.bytes, v->emu->insn, found.mov.insn_len);
	memset(found.mask, 0xff, found.mov.insn_len);
	*s = found;
}

/* ------------------ finding it again: any context, RCU or vm->srcu held */

/*
 * Do the eight bytes of the VMM's memory at @at differ from @val in a bit of @mask, or aren't they
 * there? In one comparison; unsafe_get_user() of kernels that weren't built by the newest compilers
 * asks after each access whether there was a fault. Between __uaccess_begin() and _end().
 */
static __always_inline bool user_differs(const u64 __user *at, u64 val, u64 mask)
{
	asm goto("1:	mov %[at], %%rax\n"
		 "	xor %[val], %%rax\n"
		 "	test %[mask], %%rax\n"
		 "	jnz %l[differs]\n" _ASM_EXTABLE_UA(1b, %l[differs])
		 :
		 : [at] "m"(*(const u64 __force *)at), [val] "rm"(val), [mask] "erm"(mask)
		 : "rax", "cc"
		 : differs);
	return false;
differs:
	return true;
}

static __always_inline bool mov_words_differ(const struct mov_site *s)
{
	const struct mov_entry *e;

	/* By pointer: an index is checked by UBSAN, and nothing may be called here. */
#pragma GCC unroll 4
	for (e = s->entry; e < s->entry + 4; e++)
		if (user_differs(e->at, e->val, ~GUEST_PTE_AD))
			return true;
	if (unlikely(s->la57) && user_differs(e->at, e->val, ~GUEST_PTE_AD))
		return true;
	return user_differs(s->code, s->bytes[0], s->mask[0]) ||
	       user_differs(s->code + 1, s->bytes[1], s->mask[1]);
}

/*
 * Is the way to the instruction, and are its bytes, as they were? A page that isn't there is a no.
 * Preemption or page faults off; why there is no access_ok() is said at insn_site_read().
 */
static __always_inline bool mov_site_holds(const struct mov_site *s)
{
	bool differ;

	/* What tells the fault handler so, as there. */
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_disable();
	__uaccess_begin();
	differ = mov_words_differ(s);
	__uaccess_end();
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_enable();
	return !differ;
}

static __always_inline u64 mov_address(struct vcpu_x86 *v, const struct emu_mov *m)
{
	u64 address = m->disp;

	if (m->base != NR_REGS)
		address += hw_reg(&v->hw, m->base);
	if (m->index != NR_REGS)
		address += hw_reg(&v->hw, m->index) << m->scale;
	if (m->rip_relative)
		address += hw_rip(&v->hw) + m->insn_len;
	return address;
}

/*
 * Is it this operand's address that the exit names? Segments have no base here, so the offset in
 * the page is the address's.
 */
static __always_inline bool mov_made_exit(struct vcpu_x86 *v, const struct mov_site *s,
					  const struct hw_exit *exit)
{
	u64 offset = exit->npf.gpa & ~PAGE_MASK;

	if (exit->npf.in_walk || exit->npf.access != s->access)
		return false;
	return (mov_address(v, &s->mov) & ~PAGE_MASK) == offset &&
	       offset + s->mov.size <= PAGE_SIZE;
}

/*
 * Is @s the site of the MOV that made @exit, an EXIT_NPF? Not when it is being stepped, which has
 * consequences. RF says nothing of the guest here: Intel's processors save it as 1 whenever an
 * instruction has to be executed again, as after an EPT violation (SDM 3C, 28.3.3). Preemption or
 * page faults off.
 */
static __always_inline bool mov_site_is(struct vcpu_x86 *v, const struct mov_site *s,
					const struct hw_exit *exit)
{
	if (unlikely(hw_rflags(&v->hw) & X86_EFLAGS_TF))
		return false;
	if (s->rip != hw_rip(&v->hw) || s->cr3 != hw_cr3(&v->hw) ||
	    s->generation != memslots(v->vcpu.vm)->generation)
		return false;
	if (s->la57 != hw_la57(&v->hw) || !hw_in_64bit_code(&v->hw))
		return false;
	return mov_site_holds(s) && mov_made_exit(v, s, exit);
}

/* The MOV that made @exit; NULL: not one that we know. As above. */
static __always_inline const struct emu_mov *mov_find(struct vcpu_x86 *v,
						      const struct hw_exit *exit)
{
	const struct mov_site *s = mov_site(v, hw_rip(&v->hw));

	return mov_site_is(v, s, exit) ? &s->mov : NULL;
}

/* ------------------------------------------------------------------ doing it */

/* What a store writes; bytes beyond the operand's size mean nothing. */
static u64 mov_value(struct vcpu_x86 *v, const struct emu_mov *m)
{
	if (m->reg == NR_REGS)
		return m->imm;
	return hw_reg(&v->hw, m->reg) >> (m->high_byte ? 8 : 0);
}

/* A load's @val, m->size bytes, into its register. */
static void mov_load(struct vcpu_x86 *v, const struct emu_mov *m, u64 val)
{
	u8 shift = m->high_byte ? 8 : 0;
	u64 mask = emu_mask(m->reg_size);

	val &= emu_mask(m->size);
	if (m->sign_extend)
		val = (u64)((s64)(val << (64 - m->size * 8)) >> (64 - m->size * 8));
	/* A 32-bit result clears the upper half (APM 1, 3.1.2). */
	if (m->reg_size == 4)
		hw_set_reg(&v->hw, m->reg, (u32)val);
	else
		hw_set_reg(&v->hw, m->reg,
			   (hw_reg(&v->hw, m->reg) & ~(mask << shift)) | (val & mask) << shift);
}

/* ------------------------------------------------------------------ IRQs off */

/* All of the LAPIC but what an EOI must tell others, which waits until IRQs are on. */
static void mov_lapic(struct vcpu_x86 *v, const struct emu_mov *m, gpa_t gpa)
{
	u64 val = 0;

	lapic_sync_tpr(v);
	if (!m->store) {
		lapic_mmio_read(&v->apic, gpa & ~PAGE_MASK, m->size, &val);
		mov_load(v, m, val);
		return;
	}
	val = mov_value(v, m);
	lapic_mmio_write(&v->apic, gpa & ~PAGE_MASK, m->size, &val);
	hw_set_tpr(&v->hw, lapic_cr8(&v->apic));
	vcpu_timer_to_hardware(v);
	if (unlikely(v->apic.eois_queued))
		vcpu_event_due(&v->vcpu);
}

/*
 * The VMM's: it is asked, and KVM_RUN will do the rest when it comes back. @m is a site's, and stays
 * as it is until then: only exits change sites, and vcpu_reset(), before which it is settled.
 */
static void mov_await(struct vcpu_x86 *v, const struct emu_mov *m, gpa_t gpa, u64 val)
{
	struct kvm_run *run = v->vcpu.run;
	u64 rflags;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = m->size;
	run->mmio.is_write = m->store;
	if (m->store)
		memcpy(run->mmio.data, &val, sizeof(val));
	v->vcpu.stats.mmio_exits++;
	v->pio.insn_len = m->insn_len;
	v->awaited_mov = m;
	v->awaited = m->store ? AWAIT_STORE : AWAIT_LOAD;
	/* It ends with the instruction, which needs only RIP moved now. */
	rflags = hw_rflags(&v->hw);
	if (unlikely(rflags & X86_EFLAGS_RF))
		hw_set_rflags(&v->hw, rflags & ~(u64)X86_EFLAGS_RF);
}

/* It is known that nobody else wants the access. */
static noinline void fast_mov_user(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	const struct emu_mov *m;

	hw_expect_mov(&v->hw);
	m = mov_find(v, exit);
	if (unlikely(!m))
		return;
	v->vcpu.stats.pf_mmio_emulate++;
	mov_await(v, m, exit->npf.gpa, m->store ? mov_value(v, m) & emu_mask(m->size) : 0);
}

/* Note that no memory is at @gpa, and nothing else yet. false: there is some. RCU, or vm->srcu. */
static bool note_no_memory(struct vcpu_x86 *v, struct io_memo *memo, gpa_t gpa)
{
	struct memslots *slots = memslots(v->vcpu.vm);

	if (memslot_find(slots, gpa_to_gfn(gpa)))
		return false;
	*memo = (struct io_memo) { .key = gpa, .slots = slots->generation };
	return true;
}

/* All that fast_mov() does, but for the ringing of a bell. */
static __always_inline void fast_mov_end(struct vcpu_x86 *v, const struct emu_mov *m)
{
	v->vcpu.stats.pf_mmio_emulate++;
	vcpu_skip(v, m->insn_len);
}

static noinline bool fast_mov_lapic(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct io_memo *memo = io_memo(v, exit->npf.gpa);
	const struct emu_mov *m;

	if (v->apic.mode != APIC_XAPIC)
		return false;
	m = mov_find(v, exit);
	if (!m)
		return false;
	if (!io_memo_no_memory(v, memo, exit->npf.gpa))
		note_no_memory(v, memo, exit->npf.gpa);
	mov_lapic(v, m, exit->npf.gpa);
	fast_mov_end(v, m);
	return true;
}

/* A store that rings none of the doorbells that are known. */
static noinline bool fast_mov_search(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	const struct emu_mov *m = mov_find(v, exit);
	const gpa_t gpa = exit->npf.gpa;
	struct io_memo *memo = io_memo(v, gpa);

	/* A slot's page exits for other reasons. */
	if (!m || (!io_memo_no_memory(v, memo, gpa) && !note_no_memory(v, memo, gpa)))
		return false;
	if (!ring_doorbell(&v->vcpu.vm->mmio, memo, gpa, m->size,
			   mov_value(v, m) & emu_mask(m->size)))
		return false;
	fast_mov_end(v, m);
	return true;
}

/**
 * fast_mov() - @exit, an EXIT_NPF, was a MOV with the LAPIC or a doorbell: do it. false: nothing
 * was done, or the VMM has to (v->awaited). @memo: what is known of the address; NULL: nothing.
 * IRQs off.
 */
noinline bool fast_mov(struct vcpu_x86 *v, const struct hw_exit *exit, const struct io_memo *memo)
{
	struct iobus *bus = &v->vcpu.vm->mmio;
	const struct mov_site *s;
	const struct emu_mov *m;
	struct ioeventfd *bell;
	struct iodevs *devs;

	if (unlikely(is_lapic_page(v, exit->npf.gpa)))
		return fast_mov_lapic(v, exit);
	if (!memo)
		return (exit->npf.access & ACCESS_WRITE) && fast_mov_search(v, exit);
	if (!memo->len && io_memo_devs(bus, memo)) {
		fast_mov_user(v, exit);
		return false;
	}
	if (!(exit->npf.access & ACCESS_WRITE))
		return false;
	hw_expect_mov(&v->hw);
	s = mov_site(v, hw_rip(&v->hw));
	if (!mov_site_is(v, s, exit))
		return false;
	m = &s->mov;
	devs = io_memo_devs(bus, memo);
	if (unlikely(!devs || memo->len != m->size))
		return fast_mov_search(v, exit);
	/* As io_memo_bell(); but the value is looked at only where a bell wants to know. */
	bell = devs->dev[memo->index].dev;
	if (unlikely(!bell->wildcard && bell->datamatch != (mov_value(v, m) & emu_mask(m->size))))
		return fast_mov_search(v, exit);
	/* Last, so that no register must be kept for what comes after it. */
	fast_mov_end(v, m);
	ioeventfd_ring(bell);
	return true;
}

/* ------------------------------------------------------------------ IRQs on */

/** mov_take_answer() - the VMM's value, of the load @m. Any context. */
void mov_take_answer(struct vcpu_x86 *v, const struct emu_mov *m)
{
	u64 val;

	memcpy(&val, v->vcpu.run->mmio.data, sizeof(val));
	mov_load(v, m, val);
}

/*
 * Is @gpa the VMM's: no memory, and no device that wants anything there at all? Known from last
 * time, or looked up and noted. The LAPIC's page is neither's for good. vm->srcu held.
 */
static bool mov_is_for_user(struct vcpu_x86 *v, gpa_t gpa)
{
	struct iobus *bus = &v->vcpu.vm->mmio;
	struct io_memo *memo = io_memo(v, gpa);
	bool known = io_memo_no_memory(v, memo, gpa);
	struct iobus_search s;
	struct iodevs *devs;
	bool yes = false;

	if (is_lapic_page(v, gpa))
		return false;
	rcu_read_lock();
	devs = iobus_devs(bus);
	if (devs && known && memo->devs == devs->generation) {
		yes = !memo->len;
	} else if (devs && (known || note_no_memory(v, memo, gpa))) {
		s = iobus_begin(bus, devs, gpa, 1);
		yes = !iobus_next(&s);
		memo->len = yes ? 0 : IO_MEMO_DEVICE;
		memo->devs = devs->generation;
	}
	rcu_read_unlock();
	return yes;
}

/* The same in process context. What it returns stays what it is: sites are this thread's. */
static const struct emu_mov *mov_find_sleepless(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	const struct emu_mov *m;

	pagefault_disable();
	m = mov_find(v, exit);
	pagefault_enable();
	return m;
}

/**
 * vcpu_mov() - @exit, of an address without memory, was a MOV that we know: do it, and say in
 * *@next how to go on. false: nothing was done. vm->srcu held, IRQs on.
 */
bool vcpu_mov(struct vcpu_x86 *v, const struct hw_exit *exit, int *next)
{
	const struct emu_mov *m;
	gpa_t gpa = exit->npf.gpa;
	u64 val = 0;
	bool done;

	if (unlikely(v->guest_debug))
		return false;
	m = exit->kind == EXIT_NPF ? mov_find_sleepless(v, exit) : NULL;
	if (!m)
		return false;
	if (m->store)
		val = mov_value(v, m) & emu_mask(m->size);
	v->vcpu.stats.pf_mmio_emulate++;
	done = !mov_is_for_user(v, gpa) &&
	       (m->store ? mmio_write(v, gpa, m->size, &val) : mmio_read(v, gpa, m->size, &val));
	if (!done) {
		mov_await(v, m, gpa, val);
		*next = NEXT_USER;
		return true;
	}
	if (!m->store)
		mov_load(v, m, val);
	vcpu_skip(v, m->insn_len);
	*next = NEXT_GUEST;
	return true;
}
