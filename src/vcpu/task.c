// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches, which neither SVM nor VMX does by itself (APM 2, 12.3 and 15.14.1; SDM 3A, 7.3).
 * The exit comes before anything of it has happened. Faults up to the point where the new task's
 * registers are loaded are the old task's, later ones the new one's.
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "vcpu/vcpu.h"

enum task_reason { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

struct tss32 {
	u16 link, r0;
	u32 esp0;
	u16 ss0, r1;
	u32 esp1;
	u16 ss1, r2;
	u32 esp2;
	u16 ss2, r3;
	u32 cr3, eip, eflags;
	u32 regs[8];		/* EAX ECX EDX EBX ESP EBP ESI EDI: the order of enum reg */
	struct { u16 sel, r; } segs[6];	/* ES CS SS DS FS GS: the order of enum seg */
	u16 ldt, r4;
	u16 trap, iomap;
} __packed;

struct tss16 {
	u16 link;
	u16 sp0, ss0, sp1, ss1, sp2, ss2;
	u16 ip, flags;
	u16 regs[8];
	u16 segs[4];		/* ES CS SS DS */
	u16 ldt;
} __packed;

/* What both kinds of TSS have in common. */
struct task_state {
	u32 cr3, eip, eflags, regs[8];
	u16 segs[6], ldt;
	bool trap;
};

/* A fault that the switch raises: vector 0xff means none. */
struct task_fault {
	u8 vector;
	u32 error;
	gva_t addr;
};

#define DESC_P		BIT_ULL(47)
#define DESC_S		BIT_ULL(44)
#define DESC_BUSY	BIT_ULL(41)
#define DESC_TYPE(d)	((u8)((d) >> 40) & 0xf)
#define DESC_DPL(d)	((u8)((d) >> 45) & 3)
#define TYPE_TSS16	1
#define TYPE_TSS32	9
#define TYPE_LDT	2
#define TYPE_BUSY	2
#define TYPE_CODE	8
#define TYPE_CONFORMING	4
#define TYPE_WRITABLE	2	/* data; of code: readable */

/* ------------------ linear memory, as the processor reads its own tables */

static bool task_linear(struct vcpu_x86 *v, gva_t addr, void *buf, u32 len, u32 access,
			struct task_fault *f)
{
	struct vm *vm = v->vcpu.vm;
	struct guest_paging p;
	struct walk_fault wf;
	u8 *data = buf;

	vcpu_guest_paging(v, &p);
	while (len) {
		u32 n = min_t(u32, len, 0x1000 - (addr & 0xfff));
		gpa_t gpa = mmu_walk(vm, &p, addr, access, &wf);
		int r;

		if (gpa == INVALID_GPA) {
			*f = (struct task_fault) { X86_TRAP_PF, wf.error_code, addr };
			return false;
		}
		r = access & ACCESS_WRITE ? vm_write_guest(vm, gpa, data, n)
					  : vm_read_guest(vm, gpa, data, n);
		if (r) {
			/* A TSS in MMIO: no such machine. */
			*f = (struct task_fault) { X86_TRAP_TS, 0 };
			return false;
		}
		addr = (u32)(addr + n);
		data += n;
		len -= n;
	}
	return true;
}

static u32 selector_error(u16 sel)
{
	return sel & 0xfffc;
}

/*
 * The descriptor of @sel from GDT or LDT. *@at: its linear address. Beyond the limit is @vector
 * with the selector.
 */
static bool read_descriptor(struct vcpu_x86 *v, u16 sel, u8 vector, u64 *desc, gva_t *at,
			    struct task_fault *f)
{
	struct kvm_segment ldt;
	struct kvm_dtable table;

	if (sel & 4) {
		hw_get_segment(&v->hw, SEG_LDTR, &ldt);
		table.base = ldt.base;
		table.limit = ldt.unusable ? 0 : min_t(u32, ldt.limit, 0xffff);
	} else {
		hw_get_gdt(&v->hw, &table);
	}
	if ((sel | 7) > table.limit) {
		*f = (struct task_fault) { vector, selector_error(sel) };
		return false;
	}
	*at = (u32)(table.base + (sel & ~7));
	return task_linear(v, *at, desc, sizeof(*desc), ACCESS_READ, f);
}

static void unpack_descriptor(u64 d, u16 sel, struct kvm_segment *s)
{
	memset(s, 0, sizeof(*s));
	s->selector = sel;
	s->base = ((d >> 16) & 0xffffff) | ((d >> 56) << 24);
	s->limit = (d & 0xffff) | ((d >> 32) & 0xf0000);
	s->type = DESC_TYPE(d);
	s->s = !!(d & DESC_S);
	s->dpl = DESC_DPL(d);
	s->present = !!(d & DESC_P);
	s->avl = (d >> 52) & 1;
	s->l = (d >> 53) & 1;
	s->db = (d >> 54) & 1;
	s->g = (d >> 55) & 1;
	if (s->g)
		s->limit = s->limit << 12 | 0xfff;
}

/* ------------------------------------------------------------------ the two layouts */

static void tss32_unpack(const struct tss32 *t, struct task_state *st)
{
	int i;

	st->cr3 = t->cr3;
	st->eip = t->eip;
	st->eflags = t->eflags;
	memcpy(st->regs, t->regs, sizeof(st->regs));
	for (i = 0; i < 6; i++)
		st->segs[i] = t->segs[i].sel;
	st->ldt = t->ldt;
	st->trap = t->trap & 1;
}

static void tss16_unpack(const struct tss16 *t, struct task_state *st)
{
	int i;

	memset(st, 0, sizeof(*st));
	st->eip = t->ip;
	st->eflags = t->flags;
	for (i = 0; i < 8; i++)
		st->regs[i] = t->regs[i] | 0xffff0000;
	for (i = 0; i < 4; i++)
		st->segs[i] = t->segs[i];
	st->ldt = t->ldt;
}

static void task_current(struct vcpu_x86 *v, struct task_state *st, u32 eip)
{
	struct kvm_segment s;
	int i;

	st->eip = eip;
	st->eflags = hw_rflags(&v->hw);
	for (i = 0; i < 8; i++)
		st->regs[i] = hw_reg(&v->hw, i);
	for (i = 0; i < 6; i++) {
		hw_get_segment(&v->hw, i, &s);
		st->segs[i] = s.selector;
	}
}

/* Save the old task: from EIP up to the selectors; the rest of its TSS is static. */
static bool save_tss32(struct vcpu_x86 *v, const struct kvm_segment *tr,
		       const struct task_state *st, struct task_fault *f)
{
	struct tss32 t;
	int i;

	if (!task_linear(v, tr->base, &t, sizeof(t), ACCESS_READ, f))
		return false;
	t.eip = st->eip;
	t.eflags = st->eflags;
	memcpy(t.regs, st->regs, sizeof(t.regs));
	for (i = 0; i < 6; i++)
		t.segs[i].sel = st->segs[i];
	return task_linear(v, tr->base + offsetof(struct tss32, eip), &t.eip,
			   offsetof(struct tss32, ldt) - offsetof(struct tss32, eip), ACCESS_WRITE,
			   f);
}

static bool save_tss16(struct vcpu_x86 *v, const struct kvm_segment *tr,
		       const struct task_state *st, struct task_fault *f)
{
	struct tss16 t;
	int i;

	t.ip = st->eip;
	t.flags = st->eflags;
	for (i = 0; i < 8; i++)
		t.regs[i] = st->regs[i];
	for (i = 0; i < 4; i++)
		t.segs[i] = st->segs[i];
	return task_linear(v, tr->base + offsetof(struct tss16, ip), &t.ip,
			   offsetof(struct tss16, ldt) - offsetof(struct tss16, ip), ACCESS_WRITE,
			   f);
}

static bool is_tss32(const struct kvm_segment *tr)
{
	return tr->type & 8;
}

static bool load_tss(struct vcpu_x86 *v, const struct kvm_segment *tr, struct task_state *st,
		     struct task_fault *f)
{
	struct tss32 t32;
	struct tss16 t16;

	if (is_tss32(tr)) {
		if (!task_linear(v, tr->base, &t32, sizeof(t32), ACCESS_READ, f))
			return false;
		tss32_unpack(&t32, st);
	} else {
		if (!task_linear(v, tr->base, &t16, sizeof(t16), ACCESS_READ, f))
			return false;
		tss16_unpack(&t16, st);
	}
	return true;
}

/* ------------------------------------------------------------------ checks */

/* SDM 3A, table 7-1. */
static bool check_new_tss(struct vcpu_x86 *v, enum task_reason reason, u16 sel, u64 desc,
			  const struct kvm_segment *tss, struct task_fault *f)
{
	u8 type = DESC_TYPE(desc), want_busy = reason == TASK_IRET ? TYPE_BUSY : 0;
	u8 bad = reason == TASK_IRET ? X86_TRAP_TS : X86_TRAP_GP;

	if ((sel & 4) || (desc & DESC_S) ||
	    ((type & ~TYPE_BUSY) != TYPE_TSS16 && (type & ~TYPE_BUSY) != TYPE_TSS32) ||
	    (type & TYPE_BUSY) != want_busy) {
		*f = (struct task_fault) { bad, selector_error(sel) };
		return false;
	}
	if ((reason == TASK_CALL || reason == TASK_JMP) &&
	    max_t(u8, hw_cpl(&v->hw), sel & 3) > DESC_DPL(desc)) {
		*f = (struct task_fault) { X86_TRAP_GP, selector_error(sel) };
		return false;
	}
	if (!(desc & DESC_P)) {
		*f = (struct task_fault) { X86_TRAP_NP, selector_error(sel) };
		return false;
	}
	if (tss->limit < (is_tss32(tss) ? 0x67 : 0x2b)) {
		*f = (struct task_fault) { X86_TRAP_TS, selector_error(sel) };
		return false;
	}
	return true;
}

/* ------------------ the new task's segments; CPL is the RPL of its CS */

static bool segment_usable(enum seg which, u64 desc, u8 rpl, u8 cpl)
{
	u8 type = DESC_TYPE(desc), dpl = DESC_DPL(desc);
	bool code = type & TYPE_CODE;

	if (!(desc & DESC_S))
		return false;
	switch (which) {
	case SEG_CS:
		if (!code)
			return false;
		return type & TYPE_CONFORMING ? dpl <= rpl : dpl == rpl;
	case SEG_SS:
		return !code && (type & TYPE_WRITABLE) && rpl == cpl && dpl == cpl;
	default:
		if (code && !(type & TYPE_WRITABLE))
			return false;
		return (code && (type & TYPE_CONFORMING)) || (dpl >= rpl && dpl >= cpl);
	}
}

static bool load_segment(struct vcpu_x86 *v, enum seg which, u16 sel, u8 cpl, struct task_fault *f)
{
	struct kvm_segment s;
	gva_t at;
	u64 desc;
	u8 accessed;

	if (!(sel & ~3)) {
		if (which == SEG_CS || which == SEG_SS) {
			*f = (struct task_fault) { X86_TRAP_TS, 0 };
			return false;
		}
		s = (struct kvm_segment) { .selector = sel, .unusable = 1 };
		hw_set_segment(&v->hw, which, &s);
		return true;
	}
	if (!read_descriptor(v, sel, X86_TRAP_TS, &desc, &at, f))
		return false;
	if (!segment_usable(which, desc, sel & 3, cpl)) {
		*f = (struct task_fault) { X86_TRAP_TS, selector_error(sel) };
		return false;
	}
	if (!(desc & DESC_P)) {
		*f = (struct task_fault){ which == SEG_SS ? X86_TRAP_SS : X86_TRAP_NP,
					  selector_error(sel) };
		return false;
	}
	accessed = (desc >> 40) | 1;
	if (!task_linear(v, at + 5, &accessed, 1, ACCESS_WRITE, f))
		return false;
	unpack_descriptor(desc | BIT_ULL(40), sel, &s);
	hw_set_segment(&v->hw, which, &s);
	return true;
}

static bool load_task_ldt(struct vcpu_x86 *v, u16 sel, struct task_fault *f)
{
	struct kvm_segment s = { .selector = sel, .unusable = 1, .type = TYPE_LDT };
	gva_t at;
	u64 desc;

	if (sel & ~3) {
		if (sel & 4) {
			*f = (struct task_fault) { X86_TRAP_TS, selector_error(sel) };
			return false;
		}
		if (!read_descriptor(v, sel, X86_TRAP_TS, &desc, &at, f))
			return false;
		if ((desc & DESC_S) || DESC_TYPE(desc) != TYPE_LDT || !(desc & DESC_P)) {
			*f = (struct task_fault) { X86_TRAP_TS, selector_error(sel) };
			return false;
		}
		unpack_descriptor(desc, sel, &s);
	}
	hw_set_segment(&v->hw, SEG_LDTR, &s);
	return true;
}

/* Virtual-8086 segments are their selectors times 16. */
static void load_vm86_segments(struct vcpu_x86 *v, const struct task_state *st)
{
	struct kvm_segment s;
	int i;

	for (i = 0; i < 6; i++) {
		s = (struct kvm_segment){ .selector = st->segs[i],
					  .base = st->segs[i] << 4,
					  .limit = 0xffff,
					  .type = 3,
					  .s = 1,
					  .dpl = 3,
					  .present = 1 };
		hw_set_segment(&v->hw, i, &s);
	}
}

static bool load_segments(struct vcpu_x86 *v, const struct task_state *st, struct task_fault *f)
{
	static const u8 order[] = { SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	u8 cpl = st->segs[SEG_CS] & 3;
	int i;

	if (!load_task_ldt(v, st->ldt, f))
		return false;
	if (st->eflags & X86_EFLAGS_VM) {
		load_vm86_segments(v, st);
		return true;
	}
	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (!load_segment(v, order[i], st->segs[order[i]], cpl, f))
			return false;
	return true;
}

/* ------------------------------------------------------------------ the switch */

static int task_raise(struct vcpu_x86 *v, const struct task_fault *f)
{
	if (f->vector == X86_TRAP_PF)
		vcpu_queue_page_fault(v, f->error, f->addr);
	else
		vcpu_queue_exception_error(v, f->vector, f->error);
	return NEXT_GUEST;
}

static bool set_busy(struct vcpu_x86 *v, u16 sel, bool busy, struct task_fault *f)
{
	gva_t at;
	u64 desc;
	u8 type;

	if (!read_descriptor(v, sel, X86_TRAP_TS, &desc, &at, f))
		return false;
	desc = busy ? desc | DESC_BUSY : desc & ~DESC_BUSY;
	type = desc >> 40;
	return task_linear(v, at + 5, &type, 1, ACCESS_WRITE, f);
}

/*
 * Where the old task goes on: behind the instruction that switched, or at the one that an event
 * interrupted.
 */
static int old_eip(struct vcpu_x86 *v, const struct hw_exit *exit, u32 *eip)
{
	u8 kind = exit->vectoring.kind;
	int len = 0;

	if (exit->task.reason != TASK_GATE || kind == EVENT_SOFT_INTR ||
	    kind == EVENT_SOFT_EXCEPTION)
		len = exit->insn_len ? exit->insn_len
		      : exit->task.reason == TASK_GATE && exit->vectoring.insn_len
			      ? exit->vectoring.insn_len
			      : vcpu_insn_length(v);
	if (len < 0)
		return len;
	*eip = hw_rip(&v->hw) + len;
	return 0;
}

/*
 * Everything up to the commit: the old task saved, descriptors marked, the new TSS linked and read.
 */
static bool switch_tables(struct vcpu_x86 *v, enum task_reason reason, u16 sel,
			  struct kvm_segment *tss, u32 eip, struct task_state *new,
			  struct task_fault *f)
{
	struct task_state old = { };
	struct kvm_segment tr;
	gva_t at;
	u64 desc;

	hw_get_segment(&v->hw, SEG_TR, &tr);
	if (!read_descriptor(v, sel, reason == TASK_IRET ? X86_TRAP_TS : X86_TRAP_GP, &desc, &at,
			     f))
		return false;
	unpack_descriptor(desc, sel, tss);
	if (!check_new_tss(v, reason, sel, desc, tss, f) || !load_tss(v, tss, new, f))
		return false;

	task_current(v, &old, eip);
	if (reason == TASK_IRET)
		old.eflags &= ~X86_EFLAGS_NT;
	if (!(is_tss32(&tr) ? save_tss32(v, &tr, &old, f) : save_tss16(v, &tr, &old, f)))
		return false;
	if ((reason == TASK_IRET || reason == TASK_JMP) && !set_busy(v, tr.selector, false, f))
		return false;
	if (reason == TASK_CALL || reason == TASK_GATE) {
		if (!task_linear(v, tss->base, &tr.selector, sizeof(tr.selector), ACCESS_WRITE, f))
			return false;
		new->eflags |= X86_EFLAGS_NT;
	}
	if (reason != TASK_IRET && !set_busy(v, sel, true, f))
		return false;
	tss->type |= TYPE_BUSY;
	return true;
}

/* The commit: from here on faults are the new task's. */
static bool enter_task(struct vcpu_x86 *v, const struct kvm_segment *tss,
		       const struct task_state *st, struct task_fault *f)
{
	int i;

	hw_set_segment(&v->hw, SEG_TR, tss);
	if (is_tss32(tss) && (hw_cr0(&v->hw) & X86_CR0_PG) && vcpu_set_cr3(v, st->cr3)) {
		*f = (struct task_fault) { X86_TRAP_TS, selector_error(tss->selector) };
		return false;
	}
	hw_set_cr0(&v->hw, hw_cr0(&v->hw) | X86_CR0_TS);
	hw_set_rip(&v->hw, st->eip);
	hw_set_rflags(&v->hw, (st->eflags & 0x3f7fd5) | X86_EFLAGS_FIXED);
	for (i = 0; i < 8; i++)
		hw_set_reg(&v->hw, i, st->regs[i]);
	/* Local breakpoints end with the task (SDM 3B, 18.2.4). */
	vcpu_set_dr(v, 7, v->dr7 & ~0x155UL);
	hw_set_shadow(&v->hw, SHADOW_NONE);
	return load_segments(v, st, f);
}

static bool push_error(struct vcpu_x86 *v, const struct kvm_segment *tss, u32 error,
		       struct task_fault *f)
{
	struct kvm_segment ss;
	u32 size = is_tss32(tss) ? 4 : 2, mask, sp;

	hw_get_segment(&v->hw, SEG_SS, &ss);
	mask = ss.db ? ~0u : 0xffff;
	sp = ((u32)hw_reg(&v->hw, REG_RSP) - size) & mask;
	if (!task_linear(v, (u32)(ss.base + sp), &error, size,
			 ACCESS_WRITE | (hw_cpl(&v->hw) == 3 ? ACCESS_USER : 0), f))
		return false;
	hw_set_reg(&v->hw, REG_RSP, ((u32)hw_reg(&v->hw, REG_RSP) & ~mask) | sp);
	return true;
}

/** vcpu_task_switch() - EXIT_TASK_SWITCH. vm->srcu held; may sleep. As slow_exit(). */
int vcpu_task_switch(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct task_fault f = { .vector = 0xff };
	struct kvm_segment tss;
	struct task_state new;
	u32 eip;

	if (old_eip(v, exit, &eip))
		return vcpu_emulation_failed(v);
	if (!switch_tables(v, exit->task.reason, exit->task.selector, &tss, eip, &new, &f))
		return task_raise(v, &f);
	/* An NMI that came through a task gate is in service. */
	if (exit->task.reason == TASK_GATE && exit->vectoring.kind == EVENT_NMI)
		hw_set_nmi_masked(&v->hw, true);
	if (!enter_task(v, &tss, &new, &f))
		return task_raise(v, &f);
	if (exit->task.reason == TASK_GATE && exit->task.has_error &&
	    !push_error(v, &tss, exit->task.error, &f))
		return task_raise(v, &f);
	if (new.trap)
		vcpu_queue_db(v, BIT(15));	/* DR6.BT */
	return NEXT_GUEST;
}
