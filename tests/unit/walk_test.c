// SPDX-License-Identifier: GPL-2.0-only
/* mmu/walk.c: every paging mode, permission, reserved bit and accessed/dirty bit, against rules written down a second time here. */
#include "check.h"
static void race_hook_run(void *entry);
/* The shim's, with a chance for "another CPU" just before. */
#undef __try_cmpxchg_user
#define __try_cmpxchg_user(p, o, n, l) ({ \
	int _tr = -EFAULT; \
	race_hook_run(p); \
	if (shim_user_access((unsigned long)(p), sizeof(*(p))) == SHIM_USER_RW) \
		_tr = !try_cmpxchg(p, o, n); \
	_tr; })
#include "core/memslot.c"
#include "mmu/walk.c"

#define P	PTE_P
#define W	PTE_W
#define U	PTE_U
#define A	PTE_A
#define D	PTE_D
#define PS	PTE_PS
#define NX	PTE_NX

#define GUEST_PAGES	64
#define GVA_4K		0x12345678ul		/* fits 32 bits */
#define GVA_5		0x0123456789abcdeful	/* 57 bits of it matter */

static struct vm vm;
static u8 *guest;				/* GPA 0.. */
static struct guest_paging paging;
static struct walk_fault wf;
static void (*race_hook)(void *entry);

static void race_hook_run(void *entry)
{
	if (race_hook)
		race_hook(entry);
}

static void make(u32 flags)
{
	struct kvm_userspace_memory_region mem = { .slot = 0, .flags = flags, .memory_size = GUEST_PAGES << 12 };
	struct memslot_update up;

	guest = aligned_alloc(4096, GUEST_PAGES << 12);
	memset(guest, 0, GUEST_PAGES << 12);
	mem.userspace_addr = (unsigned long)guest;
	memset(&vm, 0, sizeof(vm));
	refcount_set(&vm.users, 1);
	mutex_init(&vm.slots_lock);
	init_srcu_struct(&vm.srcu);
	SHIM_ASSERT(!memslots_init(&vm));
	mutex_lock(&vm.slots_lock);
	SHIM_ASSERT(!memslot_prepare(&vm, &mem, &up));
	memslot_publish(&vm, &up);
	memslot_finish(&vm, &up);
	mutex_unlock(&vm.slots_lock);
	paging = (struct guest_paging){ .phys_bits = 48 };
	race_hook = NULL;
}

static void unmake(void)
{
	synchronize_rcu();
	refcount_set(&vm.users, 0);
	memslots_destroy(&vm);
	cleanup_srcu_struct(&vm.srcu);
	mutex_destroy(&vm.slots_lock);
	free(guest);
	shim_user_reset();
}

static gpa_t walk_gva(gva_t gva, u32 access)
{
	int idx = srcu_read_lock(&vm.srcu);
	gpa_t gpa;

	memset(&wf, 0xee, sizeof(wf));
	gpa = mmu_walk(&vm, &paging, gva, access, &wf);
	srcu_read_unlock(&vm.srcu, idx);
	return gpa;
}

static gpa_t probe_gva(gva_t gva, u32 access)
{
	int idx = srcu_read_lock(&vm.srcu);
	gpa_t gpa;

	memset(&wf, 0xee, sizeof(wf));
	gpa = mmu_walk_probe(&vm, &paging, gva, access, &wf);
	srcu_read_unlock(&vm.srcu, idx);
	return gpa;
}

/* ------------------------------------------------------------------ tables, by the manual's pictures: level l stands in page l */

enum mode { M32, MPAE, M4, M5, NR_MODES };
static const int mode_levels[] = { 2, 3, 4, 5 };

static void set_mode(enum mode mode)
{
	paging.cr0 = X86_CR0_PE | X86_CR0_PG;
	paging.cr4 = mode >= MPAE ? X86_CR4_PAE : 0;
	paging.efer = 0;
	if (mode >= M4)
		paging.efer = EFER_LME | EFER_LMA | EFER_NX;
	if (mode == M5)
		paging.cr4 |= X86_CR4_LA57;
	paging.cr3 = (u64)mode_levels[mode] << 12;
	if (mode == MPAE)
		paging.cr3 |= 0x20;		/* the top table of PAE is 32 bytes, anywhere */
}

static void *entry_at(enum mode mode, int level, gva_t gva)
{
	u8 *table = guest + ((size_t)level << 12);

	if (mode == M32)
		return table + 4 * (level == 2 ? (gva >> 22) & 1023 : (gva >> 12) & 1023);
	if (mode == MPAE && level == 3)
		return table + 0x20 + 8 * ((gva >> 30) & 3);
	return table + 8 * ((gva >> (12 + 9 * (level - 1))) & 511);
}

static void set_entry(enum mode mode, int level, gva_t gva, u64 val)
{
	if (mode == M32)
		*(u32 *)entry_at(mode, level, gva) = (u32)val;
	else
		*(u64 *)entry_at(mode, level, gva) = val;
}

static u64 get_entry(enum mode mode, int level, gva_t gva)
{
	return mode == M32 ? *(u32 *)entry_at(mode, level, gva) : *(u64 *)entry_at(mode, level, gva);
}

/* Tables down to @leaf, whose entry is @val; the upper entries have @upper besides their address. */
static void map(enum mode mode, int leaf, gva_t gva, u64 upper, u64 val)
{
	for (int level = mode_levels[mode]; level > leaf; level--) {
		u64 bits = mode == MPAE && level == 3 ? P : upper;

		set_entry(mode, level, gva, (u64)(level - 1) << 12 | bits);
	}
	set_entry(mode, leaf, gva, val);
}

static u64 mode_gva(enum mode mode)
{
	return mode == M5 ? GVA_5 & ((1ul << 57) - 1) : mode == M4 ? GVA_5 & ((1ul << 47) - 1) : GVA_4K;
}

/* ------------------------------------------------------------------ addresses */

TEST(no_paging)
{
	make(0);
	CHECK_EQ(walk_gva(0x12345678, ACCESS_WRITE | ACCESS_USER), 0x12345678);
	CHECK_EQ(walk_gva(0xfff12345678ul, ACCESS_READ), 0x12345678);	/* 32 bits */
	unmake();
}

TEST(addresses)
{
	make(0);
	for (enum mode m = M32; m < NR_MODES; m++) {
		const gva_t gva = mode_gva(m);
		const u64 pa = m == M32 ? 0xabcde000 : 0xabcdef123000;

		set_mode(m);
		map(m, 1, gva, P | W | U, pa | P | W | U);
		CHECK_EQ(walk_gva(gva, ACCESS_WRITE | ACCESS_USER), pa | (gva & 0xfff));
		/* another page of the same table isn't there */
		CHECK_EQ(walk_gva(gva ^ 0x1000, ACCESS_READ), INVALID_GPA);
		CHECK_EQ(wf.error_code, 0);
		CHECK_EQ(wf.gva, gva ^ 0x1000);
		CHECK(wf.present_in_slot);
		/* bits above those that the mode translates are no part of the address */
		if (m < M4)
			CHECK_EQ(walk_gva(gva | 1ul << 40, ACCESS_READ), pa | (gva & 0xfff));
	}
	unmake();
}

TEST(large_pages)
{
	make(0);
	for (enum mode m = MPAE; m < NR_MODES; m++) {
		const gva_t gva = mode_gva(m);

		set_mode(m);
		map(m, 2, gva, P | W | U, 0xabcdefe00000 | P | W | U | PS);
		CHECK_EQ(walk_gva(gva, ACCESS_WRITE), 0xabcdefe00000 | (gva & 0x1fffff));
		if (m == MPAE)
			continue;
		map(m, 3, gva, P | W | U, 0xabcdc0000000 | P | W | U | PS);
		CHECK_EQ(walk_gva(gva, ACCESS_WRITE), 0xabcdc0000000 | (gva & 0x3fffffff));
		/* the PAT bit of a large page isn't part of its address */
		map(m, 3, gva, P | W | U, 0xabcdc0001000 | P | W | U | PS);
		CHECK_EQ(walk_gva(gva, ACCESS_WRITE), 0xabcdc0000000 | (gva & 0x3fffffff));
	}
	unmake();
}

TEST(pse)
{
	make(0);
	set_mode(M32);
	/* Without CR4.PSE the bit says nothing. */
	set_entry(M32, 2, GVA_4K, 0x1000 | P | W | PS);
	set_entry(M32, 1, GVA_4K, 0x5000 | P | W);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), 0x5000 | (GVA_4K & 0xfff));
	paging.cr4 |= X86_CR4_PSE;
	set_entry(M32, 2, GVA_4K, 0x80400000 | P | W | PS);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), 0x80400000 | (GVA_4K & 0x3fffff));
	/* PSE-36: bits 39:32 in 20:13. */
	set_entry(M32, 2, GVA_4K, 0x80400000 | 0xa5 << 13 | P | W | PS);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), 0xa580400000 | (GVA_4K & 0x3fffff));
	paging.phys_bits = 36;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	CHECK_EQ(wf.error_code, X86_PF_PROT | X86_PF_RSVD);
	set_entry(M32, 2, GVA_4K, 0x80400000 | 0x5 << 13 | P | W | PS);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), 0x580400000 | (GVA_4K & 0x3fffff));
	set_entry(M32, 2, GVA_4K, 0x80400000 | 1 << 21 | P | W | PS);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	CHECK_EQ(wf.error_code, X86_PF_PROT | X86_PF_RSVD);
	/* The PAT bit, 12, is free. */
	set_entry(M32, 2, GVA_4K, 0x80400000 | 1 << 12 | P | W | PS);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), 0x80400000 | (GVA_4K & 0x3fffff));
	unmake();
}

/* ------------------------------------------------------------------ permissions: all combinations */

struct combo {
	enum mode mode;
	bool up_w, up_u, up_nx, w, u, nx, wp, smep, smap, ac, nxe, pke;
	u32 access, key_rights;
};

static struct combo combo_of(u32 n)
{
	static const u32 accesses[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };
	struct combo c = { 0 };

#define TAKE(k) ({ u32 _v = n % (k); n /= (k); _v; })
	c.mode = TAKE(NR_MODES);
	c.access = accesses[TAKE(3)] | (TAKE(2) ? ACCESS_USER : 0);
	c.up_w = TAKE(2); c.up_u = TAKE(2); c.up_nx = TAKE(2);
	c.w = TAKE(2); c.u = TAKE(2); c.nx = TAKE(2);
	c.wp = TAKE(2); c.smep = TAKE(2); c.smap = TAKE(2); c.ac = TAKE(2); c.nxe = TAKE(2); c.pke = TAKE(2);
	c.key_rights = TAKE(4);
	return c;
}
#define COMBOS (4u * 6 * 64 * 64 * 4)

/* The rules, once more: SDM 3A, 4.6.1 and 4.7 sentence by sentence. Returns the error code, or -1 when the access is good. */
static int rules(const struct combo *c)
{
	const bool user_page = c->u && c->up_u, writable = c->w && c->up_w;
	const bool has_nx = c->nxe && c->mode >= MPAE, no_exec = has_nx && (c->nx || c->up_nx);
	const bool by_user = c->access & ACCESS_USER, write = c->access & ACCESS_WRITE, fetch = c->access & ACCESS_FETCH;
	bool allowed, key_violation = false;
	int code = X86_PF_PROT;

	if (!by_user) {
		if (fetch) {
			/* From supervisor pages: XD. From user pages: besides, not with SMEP. */
			allowed = user_page ? !c->smep && !no_exec : !no_exec;
		} else if (user_page) {
			allowed = (!c->smap || c->ac) && (!write || !c->wp || writable);
		} else {
			allowed = !write || !c->wp || writable;
		}
	} else {
		allowed = user_page && (!fetch || !no_exec) && (!write || writable);
	}
	if (c->pke && c->mode >= M4 && user_page && !fetch) {
		if (c->key_rights & 1)
			key_violation = true;
		else if ((c->key_rights & 2) && write && (by_user || c->wp))
			key_violation = true;
	}
	if (allowed && !key_violation)
		return -1;
	code |= (write ? X86_PF_WRITE : 0) | (by_user ? X86_PF_USER : 0) | (key_violation ? X86_PF_PK : 0);
	if (fetch && (has_nx || c->smep))
		code |= X86_PF_INSTR;
	return code;
}

static void run_combo(const struct combo *c)
{
	const gva_t gva = mode_gva(c->mode);
	const bool nx_bits = c->mode >= MPAE && c->nxe;		/* reserved otherwise: other tests */
	const u64 key = 11;
	u64 up = P | (c->up_w ? W : 0) | (c->up_u ? U : 0) | (nx_bits && c->up_nx ? NX : 0);
	u64 leaf = 0x5000 | P | (c->w ? W : 0) | (c->u ? U : 0) | (nx_bits && c->nx ? NX : 0);
	int want = rules(c);
	gpa_t gpa;

	set_mode(c->mode);
	if (c->mode >= M4)
		leaf |= key << PTE_KEY_SHIFT;
	if (!c->nxe)
		paging.efer &= ~(u64)EFER_NX;
	else
		paging.efer |= EFER_NX;
	paging.cr0 |= c->wp ? X86_CR0_WP : 0;
	paging.cr4 |= (c->smep ? X86_CR4_SMEP : 0) | (c->smap ? X86_CR4_SMAP : 0) | (c->pke ? X86_CR4_PKE : 0);
	paging.ac = c->ac;
	paging.pkru = c->key_rights << (2 * key);
	map(c->mode, 1, gva, up, leaf);
	gpa = walk_gva(gva, c->access);
	if (want < 0) {
		CHECK_EQ(gpa, 0x5000 | (gva & 0xfff));
		return;
	}
	CHECK_EQ(gpa, INVALID_GPA);
	CHECK_EQ(wf.error_code, want);
	CHECK_EQ(wf.gva, gva);
	CHECK(wf.present_in_slot);
	/* An access that faults leaves the leaf alone. */
	CHECK_EQ(get_entry(c->mode, 1, gva), leaf);
}

TEST(permissions)
{
	make(0);
	for (u32 n = 0; n < COMBOS; n++) {
		struct combo c = combo_of(n);

		/* In PAE the upper entry that counts is the PDE, in which there is all; NX of a mode without it means nothing. */
		run_combo(&c);
	}
	unmake();
}

/* ------------------------------------------------------------------ reserved bits, one at a time */

/* May bit @bit be set in an entry of @level? APM 2, figures 5-3 to 5-26; SDM 3A, tables 4-4 to 4-20. */
static bool bit_reserved(enum mode m, int level, bool large, int bit)
{
	if (m == M32)
		return false;
	if (m == MPAE && level == 3)
		return bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= paging.phys_bits;
	if (bit == 63)
		return !(paging.efer & EFER_NX);
	if (bit >= 52)
		return m == MPAE;
	if (bit >= paging.phys_bits)
		return true;
	if (bit == 7)
		return level >= 4;
	if (large)
		return bit > 12 && bit < 12 + 9 * (level - 1);
	return false;
}

static void check_reserved(enum mode m, int leaf, u64 efer)
{
	const gva_t gva = mode_gva(m);

	for (int level = leaf; level <= mode_levels[m]; level++) {
		for (int bit = 1; bit < 64; bit++) {
			const bool large = level == leaf && leaf > 1;
			u64 val;

			set_mode(m);
			paging.efer = efer | (m >= M4 ? EFER_LMA : 0);
			map(m, leaf, gva, P | W | U, P | W | U | (leaf > 1 ? PS : 0));
			val = get_entry(m, level, gva);
			/* Address bits lead elsewhere; PS makes another page of it: not what is asked here. */
			if (!bit_reserved(m, level, large, bit) && ((bit >= 12 && bit < 52) || bit == 7 || bit < 3))
				continue;
			set_entry(m, level, gva, val | 1ull << bit);
			if (bit_reserved(m, level, large, bit)) {
				CHECK_EQ(walk_gva(gva, ACCESS_READ | ACCESS_USER), INVALID_GPA);
				CHECK_EQ(wf.error_code, X86_PF_PROT | X86_PF_RSVD | X86_PF_USER);
			} else {
				CHECK(walk_gva(gva, ACCESS_READ | ACCESS_USER) != INVALID_GPA);
			}
			/* Not present: nothing is reserved. */
			set_entry(m, level, gva, (val | 1ull << bit) & ~P);
			CHECK_EQ(walk_gva(gva, ACCESS_READ), INVALID_GPA);
			CHECK_EQ(wf.error_code, 0);
			set_entry(m, level, gva, val);
		}
	}
}

TEST(reserved_bits)
{
	static const u8 widths[] = { 36, 40, 48, 52 };

	make(0);
	for (unsigned int w = 0; w < ARRAY_SIZE(widths); w++) {
		paging.phys_bits = widths[w];
		for (enum mode m = M32; m < NR_MODES; m++) {
			for (int nx = 0; nx < 2; nx++) {
				check_reserved(m, 1, nx ? EFER_NX : 0);
				if (m >= MPAE)
					check_reserved(m, 2, nx ? EFER_NX : 0);
				if (m >= M4)
					check_reserved(m, 3, nx ? EFER_NX : 0);
			}
		}
	}
	unmake();
}

/* ------------------------------------------------------------------ accessed and dirty */

TEST(accessed_and_dirty)
{
	make(0);
	for (enum mode m = M32; m < NR_MODES; m++) {
		const gva_t gva = mode_gva(m);

		set_mode(m);
		map(m, 1, gva, P | W, 0x5000 | P | W);
		CHECK(probe_gva(gva, ACCESS_WRITE) != INVALID_GPA);
		for (int l = 1; l <= mode_levels[m]; l++)
			CHECK_EQ(get_entry(m, l, gva) & (A | D), 0);
		CHECK(walk_gva(gva, ACCESS_READ) != INVALID_GPA);
		for (int l = 1; l <= mode_levels[m]; l++)
			CHECK_EQ(get_entry(m, l, gva) & (A | D), m == MPAE && l == 3 ? 0 : A);
		CHECK(walk_gva(gva, ACCESS_WRITE) != INVALID_GPA);
		for (int l = 1; l <= mode_levels[m]; l++)
			CHECK_EQ(get_entry(m, l, gva) & (A | D), m == MPAE && l == 3 ? 0 : l == 1 ? A | D : A);
		/* All there: nothing is written any more. */
		race_hook = (void *)abort;
		CHECK(walk_gva(gva, ACCESS_WRITE) != INVALID_GPA);
		race_hook = NULL;
	}
	unmake();
}

/* The bits are writes to guest memory: logged. */
TEST(marks_are_logged)
{
	make(KVM_MEM_LOG_DIRTY_PAGES);
	set_mode(M4);
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	CHECK(walk_gva(GVA_4K, ACCESS_READ) != INVALID_GPA);
	CHECK_EQ(vm.slots->by_gfn[0]->dirty_bitmap[0], 0x1e);
	unmake();
}

/* Tables in ROM are walked, and keep their bits. */
TEST(read_only_tables)
{
	make(KVM_MEM_READONLY);
	set_mode(M4);
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_WRITE), 0x5000 | (GVA_4K & 0xfff));
	CHECK_EQ(get_entry(M4, 1, GVA_4K) & (A | D), 0);
	unmake();
}

/* ------------------------------------------------------------------ races */

static int races;

static void other_cpu_unmaps(void *entry)
{
	if (entry != entry_at(M4, 1, GVA_4K) || races++)
		return;
	*(u64 *)entry = 0;
}

static void other_cpu_remaps(void *entry)
{
	if (entry != entry_at(M4, 1, GVA_4K) || races++)
		return;
	*(u64 *)entry = 0x7000 | P | W;
}

static void other_cpu_never_stops(void *entry)
{
	races++;
	*(u64 *)entry ^= 1ull << 55;
}

TEST(race)
{
	make(0);
	set_mode(M4);
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	races = 0;
	race_hook = other_cpu_remaps;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_WRITE), 0x7000 | (GVA_4K & 0xfff));
	CHECK_EQ(get_entry(M4, 1, GVA_4K), 0x7000 | P | W | A | D);
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	races = 0;
	race_hook = other_cpu_unmaps;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_WRITE), INVALID_GPA);
	CHECK_EQ(wf.error_code, X86_PF_WRITE);
	CHECK_EQ(get_entry(M4, 1, GVA_4K), 0);
	/* A guest that fights for ever doesn't keep us here for ever. */
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	races = 0;
	race_hook = other_cpu_never_stops;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_WRITE), INVALID_GPA);
	CHECK(!wf.present_in_slot);
	CHECK(races < 10000);
	/* 32-bit entries, too. */
	race_hook = NULL;
	set_mode(M32);
	map(M32, 1, GVA_4K, P | W, 0x5000 | P | W);
	CHECK(walk_gva(GVA_4K, ACCESS_WRITE) != INVALID_GPA);
	CHECK_EQ(get_entry(M32, 1, GVA_4K), 0x5000 | P | W | A | D);
	unmake();
}

/* ------------------------------------------------------------------ tables that aren't there */

TEST(lost_tables)
{
	make(0);
	set_mode(M4);
	paging.cr3 = 0x123456789000;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	CHECK(!wf.present_in_slot);
	CHECK_EQ(wf.table_gpa, 0x123456789000 + 8 * ((GVA_4K >> 39) & 511));
	paging.cr3 = 4 << 12;
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	set_entry(M4, 2, GVA_4K, 0xabc000000000 | P | W);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	CHECK(!wf.present_in_slot);
	CHECK_EQ(wf.table_gpa, 0xabc000000000 + 8 * ((GVA_4K >> 12) & 511));
	/* A slot without memory behind it: for each of the reads. */
	map(M4, 1, GVA_4K, P | W, 0x5000 | P | W);
	for (int n = 1; n <= 4; n++) {
		shim_fail_uaccess = n;
		CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
		CHECK(!wf.present_in_slot);
		shim_fail_uaccess = 0;
	}
	set_mode(M32);
	map(M32, 1, GVA_4K, P | W, 0x5000 | P | W);
	shim_fail_uaccess = 1;
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	shim_fail_uaccess = 0;
	/* Readable but not writable memory: the bits can't be set. */
	shim_user_add(guest, GUEST_PAGES << 12, SHIM_USER_RO);
	CHECK_EQ(walk_gva(GVA_4K, ACCESS_READ), INVALID_GPA);
	CHECK(!wf.present_in_slot);
	CHECK(probe_gva(GVA_4K, ACCESS_READ) != INVALID_GPA);
	unmake();
}
