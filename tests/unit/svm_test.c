// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVM backend with a processor of this test's own in the place of enter.S: what it finds in the
 * VMCB, and what becomes of what it leaves there. So nRIP, decode assists and flush by ASID are
 * tried too, which the emulated host lacks.
 */
#include "check.h"

#undef HW_FAKE
#define HW_SVM

/* hw/svm/ops.h: its instructions need the privilege and the processor. */
#define HW_SVM_OPS_H
static unsigned long vmsaves, stgis, invlpgas;
#define svm_vmsave(pa) ((void)(pa), vmsaves++)
#define svm_invlpga(gva, asid) ((void)(gva), (void)(asid), invlpgas++)
#define svm_stgi() (stgis++)

/* hw/svm/enter.h */
#define HW_SVM_ENTER_H
struct hw_vcpu;
static void svm_enter(struct hw_vcpu *hw, u64 host_save);
static unsigned long returns_forgotten;
#define svm_forget_returns() (returns_forgotten++)

/* The rest of the host, as far as only this backend asks for it. */
static unsigned long ibpbs, machine_checks, virt_spec_ctrls, host_cr4 = BIT(6);
static bool x86_ibpb_exit_to_user[64];
struct pt_regs { unsigned long cs, flags; };

#define static_cpu_has_bug(bug) 0
#define amd_clear_divider() do { } while (0)
#define x86_virt_spec_ctrl(value, guest) ((void)(value), virt_spec_ctrls++)
#define indirect_branch_prediction_barrier() (ibpbs++)
#define do_machine_check(regs) ((void)(regs), machine_checks++)
#define __read_cr4() host_cr4
enum { _PAGE_CACHE_MODE_WB, _PAGE_CACHE_MODE_WC, _PAGE_CACHE_MODE_UC_MINUS, _PAGE_CACHE_MODE_UC };
#define cachemode2protval(mode) ((u64)(mode) << 3)

#define CONFIG_MODIFY_LDT_SYSCALL
#include "hw/hw.h"
#include "hw/svm/flaws.c"
#include "hw/svm/caps.c"
#include "hw/svm/vmcb.c"
#include "hw/svm/event.c"
#include "hw/svm/exit.c"
#include "hw/svm/run.c"

/* ------------------------------------------------------------------ the processor */

static struct hw_vm vm;
static struct hw_vcpu hw;
static struct vmcb_control_area *c;
static struct vmcb_save_area *s;

/* What #VMEXIT leaves, given before the entry. */
static struct {
	u64 code, info1, info2, next_rip, rip, rflags;
	u32 intinfo, intinfo_err, int_state;
	u64 dr6;
} next;

/* What VMRUN found. */
static struct {
	u32 event_inj, event_inj_err, int_state, clean, asid, entries;
	u8 tlb_ctl;
	u64 rip, rflags, next_rip;
} seen;

static void svm_enter(struct hw_vcpu *v, u64 host_save)
{
	struct vmcb *vmcb = v->vmcb;

	seen.event_inj = vmcb->control.event_inj;
	seen.event_inj_err = vmcb->control.event_inj_err;
	seen.int_state = vmcb->control.int_state;
	seen.clean = vmcb->control.clean;
	seen.asid = vmcb->control.asid;
	seen.tlb_ctl = vmcb->control.tlb_ctl;
	seen.rip = vmcb->save.rip;
	seen.rflags = vmcb->save.rflags;
	seen.next_rip = vmcb->control.next_rip;
	seen.entries++;

	vmcb->control.event_inj = 0;
	vmcb->control.int_state = next.int_state;
	vmcb->control.exit_code = next.code;
	vmcb->control.exit_code_hi = next.code >> 32;
	vmcb->control.exit_info_1 = next.info1;
	vmcb->control.exit_info_2 = next.info2;
	vmcb->control.exit_int_info = next.intinfo;
	vmcb->control.exit_int_info_err = next.intinfo_err;
	vmcb->control.next_rip = next.next_rip;
	vmcb->save.rip = next.rip;
	vmcb->save.rflags = next.rflags ?: seen.rflags;
	if (next.dr6)
		vmcb->save.dr6 = next.dr6;
}

static struct hw_exit enter(void)
{
	struct hw_exit exit;

	memset(&seen, 0, sizeof(seen));
	/* As the exit before may have left it: what this one means must be set. */
	memset(&exit, 0xa5, sizeof(exit));
	hw_begin_turn(&hw);
	hw_enter_guest(&hw, &exit);
	hw_end_turn(&hw);
	return exit;
}

/* The guest stays where it is and exits. */
static struct hw_exit exit_with(u64 code, u64 info1, u64 info2)
{
	memset(&next, 0, sizeof(next));
	next.code = code;
	next.info1 = info1;
	next.info2 = info2;
	next.rip = s->rip;
	return enter();
}

static struct hw_exit exit_during(u64 code, u32 intinfo, u32 error)
{
	memset(&next, 0, sizeof(next));
	next.code = code;
	next.intinfo = intinfo;
	next.intinfo_err = error;
	next.rip = s->rip;
	return enter();
}

#define NO_FEATURES	SVM_NPT
#define MANY_FEATURES	(SVM_NPT | SVM_NRIPS | SVM_DECODE_ASSISTS | SVM_FLUSH_BY_ASID | SVM_TSC_RATE | SVM_PAUSE_FILTER)

static void host_cpu(u32 features, u32 asids, u8 phys_bits)
{
	boot_cpu_data.x86_vendor = X86_VENDOR_AMD;
	shim_cpuid[0] = (struct shim_cpuid){ .leaf = 0x80000000, .eax = 0x8000001f };
	shim_cpuid[1] = (struct shim_cpuid){ .leaf = 0x80000001, .ecx = BIT(2) };
	shim_cpuid[2] = (struct shim_cpuid){ .leaf = 0x80000008, .eax = phys_bits };
	shim_cpuid[3] =
		(struct shim_cpuid){ .leaf = SVM_CPUID_FUNC, .ebx = asids, .edx = features };
	shim_cpuid[4] = (struct shim_cpuid){ .leaf = 0x8000001f };
	*shim_msr(MSR_EFER) = 0;
	*shim_msr(MSR_VM_CR) = 0;
}

static void begin(u32 features)
{
	host_cpu(features, 8, 48);
	CHECK_EQ(hw_setup(), 0);
	CHECK_EQ(hw_enable_cpu(), 0);
	memset(&hw, 0, sizeof(hw));
	CHECK_EQ(hw_vm_init(&vm), 0);
	CHECK_EQ(hw_vcpu_create(&hw, &vm), 0);
	hw_load(&hw, 0, false);
	hw_vcpu_reset(&hw, HW_RESET);
	hw_prepare_guest_switch(&hw, current->tif);
	c = &hw.vmcb->control;
	s = &hw.vmcb->save;
}

static void end(void)
{
	hw_put(&hw, false);
	hw_vcpu_destroy(&hw);
	hw_vm_destroy(&vm);
	hw_disable_cpu();
	hw_teardown();
	CHECK_EQ(shim_live_pages, 0);
}

/* ------------------------------------------------------------------ probe, set-up, on and off */

TEST(probe)
{
	const char *why;

	host_cpu(NO_FEATURES, 16, 48);
	CHECK_EQ(hw_probe(&why), 0);
	host_cpu(0, 16, 48);
	CHECK_EQ(hw_probe(&why), -EOPNOTSUPP);
	CHECK(strstr(why, "nested paging"));
	host_cpu(NO_FEATURES, 1, 48);
	CHECK_EQ(hw_probe(&why), -EOPNOTSUPP);
	host_cpu(NO_FEATURES, 16, 48);
	*shim_msr(MSR_VM_CR) = SVM_VM_CR_SVM_DIS_MASK;
	CHECK_EQ(hw_probe(&why), -EOPNOTSUPP);
	CHECK(strstr(why, "firmware"));
	host_cpu(NO_FEATURES, 16, 48);
	*shim_msr(MSR_EFER) = EFER_SVME;
	CHECK_EQ(hw_probe(&why), -EBUSY);
	host_cpu(NO_FEATURES, 16, 48);
	shim_cpuid[1].ecx = 0;
	CHECK_EQ(hw_probe(&why), -EOPNOTSUPP);
	host_cpu(NO_FEATURES, 16, 48);
	boot_cpu_data.x86_vendor = X86_VENDOR_INTEL;
	CHECK_EQ(hw_probe(&why), -EOPNOTSUPP);
}

TEST(setup_fails_clean)
{
	int n;

	host_cpu(NO_FEATURES, 16, 48);
	for (n = 1; ; n++) {
		shim_fail_alloc = n;
		if (!hw_setup())
			break;
		CHECK_EQ(shim_live_pages, 0);
		CHECK(n < 1000);
	}
	shim_fail_alloc = 0;
	CHECK(n > 2);
	hw_teardown();
	CHECK_EQ(shim_live_pages, 0);
}

TEST(create_fails_clean)
{
	struct hw_vcpu other = { };
	unsigned long before;
	int n;

	begin(NO_FEATURES);
	before = shim_live_pages;
	for (n = 1; n <= 2; n++) {
		shim_fail_alloc = n;
		CHECK_EQ(hw_vcpu_create(&other, &vm), -ENOMEM);
		CHECK_EQ(shim_live_pages, before);
	}
	shim_fail_alloc = 0;
	end();
}

TEST(enable_disable)
{
	begin(MANY_FEATURES);
	CHECK(*shim_msr(MSR_EFER) & EFER_SVME);
	CHECK(*shim_msr(MSR_VM_HSAVE_PA));
	CHECK_EQ(hw_enable_cpu(), -EBUSY);
	CHECK(hw_cpu_compatible());
	shim_cpuid[3].edx = NO_FEATURES;
	CHECK(!hw_cpu_compatible());
	shim_cpuid[3].edx = MANY_FEATURES;
	shim_cpuid[3].ebx = 4;
	CHECK(!hw_cpu_compatible());
	stgis = 0;
	hw_disable_cpu();
	CHECK(!(*shim_msr(MSR_EFER) & EFER_SVME));
	CHECK_EQ(*shim_msr(MSR_VM_HSAVE_PA), 0);
	CHECK_EQ(stgis, 1);
	/* Twice, and in the middle of a crash: nothing that would be #UD. */
	hw_disable_cpu();
	hw_crash_cpu();
	CHECK_EQ(stgis, 1);
	CHECK_EQ(exit_with(SVM_EXIT_CPUID, 0, 0).kind, EXIT_ENTRY_FAILED);
	CHECK_EQ(seen.entries, 0);
	end();
}

TEST(tdp_entries)
{
	u64 e;

	begin(NO_FEATURES);
	e = hw_tdp_leaf(0x123456000, 1, ACCESS_READ, HW_MEM_WB);
	CHECK_EQ(e & HW_TDP_PA_MASK, 0x123456000);
	CHECK((e & HW_TDP_PRESENT_MASK) && (e & HW_TDP_USER) && (e & HW_TDP_NX) &&
	      !(e & HW_TDP_WRITE) && !(e & HW_TDP_LARGE));
	e = hw_tdp_leaf(0x40000000, 3, ACCESS_READ | ACCESS_WRITE | ACCESS_FETCH, HW_MEM_UC);
	CHECK((e & HW_TDP_WRITE) && (e & HW_TDP_LARGE) && !(e & HW_TDP_NX));
	CHECK(e & 0x18);
	e = hw_tdp_table(0x1000);
	CHECK((e & HW_TDP_PRESENT_MASK) && (e & HW_TDP_WRITE) && (e & HW_TDP_USER) &&
	      !(e & HW_TDP_NX));
	end();
}

/* ------------------------------------------------------------------ decode */

TEST(plain_exits)
{
	static const struct { u32 code; u8 kind;
	} rows[] = {
		{ SVM_EXIT_CPUID, EXIT_CPUID },
		{ SVM_EXIT_HLT, EXIT_HLT },
		{ SVM_EXIT_INTR, EXIT_INTR },
		{ SVM_EXIT_NMI, EXIT_NMI },
		{ SVM_EXIT_SMI, EXIT_SMI },
		{ SVM_EXIT_INIT, EXIT_INTR },
		{ SVM_EXIT_PAUSE, EXIT_PAUSE },
		{ SVM_EXIT_INVD, EXIT_INVD },
		{ SVM_EXIT_WBINVD, EXIT_WBINVD },
		{ SVM_EXIT_RDTSC, EXIT_RDTSC },
		{ SVM_EXIT_RDTSCP, EXIT_RDTSCP },
		{ SVM_EXIT_RDPMC, EXIT_RDPMC },
		{ SVM_EXIT_MONITOR, EXIT_MONITOR },
		{ SVM_EXIT_MWAIT, EXIT_MWAIT },
		{ SVM_EXIT_MWAIT_COND, EXIT_MWAIT },
		{ SVM_EXIT_XSETBV, EXIT_XSETBV },
		{ SVM_EXIT_VMMCALL, EXIT_HYPERCALL },
		{ SVM_EXIT_INVLPG, EXIT_INVLPG },
		{ SVM_EXIT_INVPCID, EXIT_INVPCID },
		{ SVM_EXIT_RSM, EXIT_RSM },
		{ SVM_EXIT_VMRUN, EXIT_VIRT_INSN },
		{ SVM_EXIT_VMLOAD, EXIT_VIRT_INSN },
		{ SVM_EXIT_VMSAVE, EXIT_VIRT_INSN },
		{ SVM_EXIT_STGI, EXIT_VIRT_INSN },
		{ SVM_EXIT_CLGI, EXIT_VIRT_INSN },
		{ SVM_EXIT_SKINIT, EXIT_VIRT_INSN },
		{ SVM_EXIT_INVLPGA, EXIT_VIRT_INSN },
		{ SVM_EXIT_RDPRU, EXIT_VIRT_INSN },
		{ SVM_EXIT_SHUTDOWN, EXIT_TRIPLE_FAULT },
		{ SVM_EXIT_IDTR_READ, EXIT_DESC_TABLE },
		{ SVM_EXIT_TR_WRITE, EXIT_DESC_TABLE },
		{ SVM_EXIT_PUSHF, EXIT_UNKNOWN },
		{ 0xff, EXIT_UNKNOWN },
		{ 0x100, EXIT_UNKNOWN },
		{ 0x401, EXIT_UNKNOWN },
		{ ~1u, EXIT_UNKNOWN },
	};

	begin(NO_FEATURES);
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hw_exit e = exit_with(rows[i].code, 0, 0x77);

		CHECK_EQ(e.kind, rows[i].kind);
		CHECK_EQ(e.hw_reason, rows[i].code);
		CHECK_EQ(e.qual, 0x77);
		CHECK_EQ(e.insn_len, 0);
		CHECK_EQ(e.vectoring.kind, EVENT_NONE);
	}
	end();
}

TEST(insn_len_by_nrip)
{
	begin(MANY_FEATURES);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_CPUID;
	next.rip = 0x1000;
	next.next_rip = 0x1003;
	CHECK_EQ(enter().insn_len, 3);
	next.next_rip = 0;
	CHECK_EQ(enter().insn_len, 0);
	next.next_rip = 0x1010;		/* no instruction is that long */
	CHECK_EQ(enter().insn_len, 0);
	end();
	begin(NO_FEATURES);
	next.next_rip = 0x1003;
	CHECK_EQ(enter().insn_len, 0);
	end();
}

TEST(io)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	s->rip = 0x1000;
	e = exit_with(SVM_EXIT_IOIO, 0x3f8ull << 16 | 1 << 4, 0x1002);
	CHECK(e.kind == EXIT_IO && e.io.port == 0x3f8 && e.io.size == 1 && e.io.out && !e.io.string);
	CHECK_EQ(e.insn_len, 2);
	e = exit_with(SVM_EXIT_IOIO, 0x3f8ull << 16 | 1 << 4, 0x1010);	/* no instruction is that long */
	CHECK_EQ(e.insn_len, 0);
	e = exit_with(SVM_EXIT_IOIO, 0xfffcull << 16 | 4 << 10 | 4 << 4 | 8 | 4 | 1, 0);
	CHECK(e.io.port == 0xfffc && e.io.size == 4 && !e.io.out && e.io.string && e.io.rep &&
	      e.io.seg == SEG_DS);
	end();
	begin(MANY_FEATURES);
	e = exit_with(SVM_EXIT_IOIO, 0x70ull << 16 | 4 << 10 | 2 << 4 | 4, 0);
	CHECK(e.io.size == 2 && e.io.seg == SEG_FS);
	end();
}

TEST(npf)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	e = exit_with(SVM_EXIT_NPF, BIT_ULL(32) | 4, 0x123456789000);
	CHECK(e.kind == EXIT_NPF && e.npf.gpa == 0x123456789000 && e.npf.access == ACCESS_READ &&
	      !e.npf.present && !e.npf.in_walk);
	e = exit_with(SVM_EXIT_NPF, BIT_ULL(33) | 7, 0x1000);
	CHECK(e.npf.access == ACCESS_WRITE && e.npf.present && e.npf.in_walk);
	e = exit_with(SVM_EXIT_NPF, BIT_ULL(32) | 0x14, 0x1000);
	CHECK_EQ(e.npf.access, ACCESS_FETCH);
	e = exit_with(SVM_EXIT_NPF, BIT_ULL(32) | 0xd, 0xfee00300);
	CHECK(e.kind == EXIT_NPF_MISCONFIG && e.npf.gpa == 0xfee00300);
	CHECK_EQ(e.insn_bytes_len, 0);
	end();
	begin(MANY_FEATURES);
	c->insn_len = 15;
	c->insn_bytes[0] = 0x8b;
	c->insn_bytes[14] = 0x90;
	e = exit_with(SVM_EXIT_NPF, BIT_ULL(32) | 4, 0);
	CHECK(e.insn_bytes_len == 15 && e.insn_bytes[0] == 0x8b && e.insn_bytes[14] == 0x90);
	end();
}

TEST(msr_cr_dr)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	CHECK_EQ(exit_with(SVM_EXIT_MSR, 0, 0).kind, EXIT_MSR_READ);
	CHECK_EQ(exit_with(SVM_EXIT_MSR, 1, 0).kind, EXIT_MSR_WRITE);
	e = exit_with(SVM_EXIT_WRITE_CR8, BIT_ULL(63) | 3, 0);
	CHECK(e.kind == EXIT_CR_WRITE && e.cr.nr == 8 && !e.cr.operand_known);
	e = exit_with(SVM_EXIT_CR0_SEL_WRITE, 0, 0);
	CHECK(e.kind == EXIT_CR_WRITE && e.cr.nr == 0);
	end();
	begin(MANY_FEATURES);
	hw_set_reg(&hw, REG_RBX, 0x1234);
	e = exit_with(SVM_EXIT_WRITE_CR0 + 4, BIT_ULL(63) | REG_RBX, 0);
	CHECK(e.kind == EXIT_CR_WRITE && e.cr.nr == 4 && e.cr.operand_known &&
	      e.cr.reg == REG_RBX && e.cr.value == 0x1234);
	hw_set_reg(&hw, REG_RSP, 0x5678);
	e = exit_with(SVM_EXIT_WRITE_CR0, BIT_ULL(63) | REG_RSP, 0);
	CHECK_EQ(e.cr.value, 0x5678);
	e = exit_with(SVM_EXIT_WRITE_CR0, 0, 0);	/* CLTS or LMSW */
	CHECK(e.kind == EXIT_CR_WRITE && !e.cr.operand_known);
	e = exit_with(SVM_EXIT_READ_DR0 + 7, REG_RCX, 0);
	CHECK(e.kind == EXIT_DR_READ && e.dr.nr == 7 && e.dr.operand_known && e.dr.reg == REG_RCX);
	end();
}

TEST(exceptions)
{
	struct hw_exit e;

	begin(MANY_FEATURES);
	e = exit_with(SVM_EXIT_EXCP_BASE + 14, 2, 0xdead000);
	CHECK(e.kind == EXIT_EXCEPTION && e.event.vector == 14 && e.event.has_error &&
	      e.event.error == 2 && e.qual == 0xdead000);
	e = exit_with(SVM_EXIT_EXCP_BASE + 6, 0x55, 0);
	CHECK(e.event.vector == 6 && !e.event.has_error && e.event.error == 0);
	e = exit_with(SVM_EXIT_EXCP_BASE + 17, 0, 0);
	CHECK(e.event.vector == 17 && e.event.has_error);
	memset(&next, 0, sizeof(next));
	next = (typeof(next)){ .code = SVM_EXIT_EXCP_BASE + 1, .dr6 = 0xffff4ff1, .rip = 5 };
	e = enter();
	CHECK(e.event.vector == 1 && e.qual == 0x4001);
	next = (typeof(next)){ .code = SVM_EXIT_EXCP_BASE + 3, .rip = 0x10, .next_rip = 0x11 };
	e = enter();
	CHECK(e.event.kind == EVENT_SOFT_EXCEPTION && e.event.vector == 3 && e.event.insn_len == 1);
	end();
}

TEST(machine_check_is_the_hosts)
{
	begin(NO_FEATURES);
	machine_checks = 0;
	CHECK_EQ(exit_with(SVM_EXIT_EXCP_BASE + 18, 0, 0).kind, EXIT_NMI);
	CHECK_EQ(machine_checks, 1);
	end();
}

TEST(task_switch)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	e = exit_with(SVM_EXIT_TASK_SWITCH, 0x28, 0);
	CHECK(e.kind == EXIT_TASK_SWITCH && e.task.selector == 0x28 && e.task.reason == 0 &&
	      !e.task.has_error);
	CHECK_EQ(exit_with(SVM_EXIT_TASK_SWITCH, 0x28, BIT_ULL(36)).task.reason, 1);
	CHECK_EQ(exit_with(SVM_EXIT_TASK_SWITCH, 0x28, BIT_ULL(38)).task.reason, 2);
	next = (typeof(next)){ .code = SVM_EXIT_TASK_SWITCH,
			       .info1 = 0x30,
			       .info2 = BIT_ULL(44) | 0x10,
			       .intinfo = SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_EXEPT |
					  SVM_EXITINTINFO_VALID_ERR | 13 };
	e = enter();
	CHECK(e.task.reason == 3 && e.task.has_error && e.task.error == 0x10);
	CHECK(e.vectoring.kind == EVENT_EXCEPTION && e.vectoring.vector == 13);
	/* INTn through a task gate: told, since the new task's RIP depends on it. */
	e = exit_during(SVM_EXIT_TASK_SWITCH,
			SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_SOFT | 0x40, 0);
	CHECK(e.task.reason == 3 && e.vectoring.kind == EVENT_SOFT_INTR &&
	      e.vectoring.vector == 0x40);
	end();
}

TEST(entry_failed)
{
	struct hw_exit e;
	u32 asid;

	begin(MANY_FEATURES);
	exit_with(SVM_EXIT_HLT, 0, 0);
	asid = seen.asid;
	e = exit_with(~0ull, 0, 0);
	CHECK(e.kind == EXIT_ENTRY_FAILED && e.hw_reason == ~0ull);
	/* What was to be flushed may not have been. */
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID && seen.clean == 0);
	CHECK(asid);
	end();
}

TEST(shutdown_looks_at_nothing)
{
	struct hw_exit e;

	begin(MANY_FEATURES);
	e = exit_during(SVM_EXIT_SHUTDOWN, ~0u, ~0u);
	CHECK(e.kind == EXIT_TRIPLE_FAULT && e.vectoring.kind == EVENT_NONE);
	end();
}

/* ------------------------------------------------------------------ events */

TEST(injection_bits)
{
	static const struct { struct hw_event ev; u32 bits;
	} rows[] = {
		{ { .kind = EVENT_INTR, .vector = 0x30 }, 0x80000030 },
		{ { .kind = EVENT_NMI }, 0x80000202 },
		{ { .kind = EVENT_EXCEPTION, .vector = 6 }, 0x80000306 },
		{ { .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 7 },
		  0x80000b0e },
		{ { .kind = EVENT_SOFT_INTR, .vector = 0x80, .insn_len = 2 }, 0x80000480 },
		{ { .kind = EVENT_SOFT_EXCEPTION, .vector = 3, .insn_len = 1 }, 0x80000303 },
		{ { .kind = EVENT_PRIV_EXCEPTION, .vector = 1, .insn_len = 1 }, 0x80000301 },
	};

	begin(NO_FEATURES);
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		hw_inject(&hw, &rows[i].ev);
		exit_with(SVM_EXIT_INTR, 0, 0);
		CHECK_EQ(seen.event_inj, rows[i].bits);
		CHECK_EQ(seen.event_inj_err, rows[i].ev.error);
		exit_with(SVM_EXIT_INTR, 0, 0);
		CHECK_EQ(seen.event_inj, 0);
	}
	end();
}

TEST(a_second_event_replaces_the_first)
{
	struct hw_event nmi = { .kind = EVENT_NMI }, irq = { .kind = EVENT_INTR, .vector = 0x20 };

	begin(NO_FEATURES);
	hw_inject(&hw, &nmi);
	CHECK(hw_nmi_masked(&hw));
	hw_inject(&hw, &irq);
	CHECK(!hw_nmi_masked(&hw));
	CHECK_EQ(hw_cancel_injection(&hw).vector, 0x20);
	CHECK_EQ(hw_cancel_injection(&hw).kind, EVENT_NONE);
	end();
}

static void soft_event(u32 features)
{
	struct hw_event ev = { .kind = EVENT_SOFT_INTR, .vector = 0x31, .insn_len = 2 };
	struct hw_exit e;

	begin(features);
	hw_set_rip(&hw, 0x1000);
	hw_inject(&hw, &ev);
	e = hw_cancel_injection(&hw).kind ? (struct hw_exit){ } : e;
	CHECK_EQ(hw_rip(&hw), 0x1000);

	/* Interrupted: comes back as it was, RIP too. */
	hw_inject(&hw, &ev);
	e = exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_SOFT | 0x31, 0);
	CHECK(e.vectoring.kind == EVENT_SOFT_INTR && e.vectoring.vector == 0x31 &&
	      e.vectoring.insn_len == 2);
	CHECK_EQ(hw_rip(&hw), 0x1000);
	if (hw_caps.nrips)
		CHECK(seen.rip == 0x1000 && seen.next_rip == 0x1002);
	else
		CHECK_EQ(seen.rip, 0x1002);

	/* Delivered: RIP is the handler's. */
	hw_inject(&hw, &e.vectoring);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_HLT;
	next.rip = 0x5000;
	CHECK_EQ(enter().vectoring.kind, EVENT_NONE);
	CHECK_EQ(hw_rip(&hw), 0x5000);

	/* VMRUN refused it. */
	hw_set_rip(&hw, 0x1000);
	hw_inject(&hw, &ev);
	memset(&next, 0, sizeof(next));
	next.code = ~0ull;
	next.rip = s->rip;
	CHECK_EQ(enter().kind, EXIT_ENTRY_FAILED);
	end();
}

TEST(soft_event_with_nrip)
{
	soft_event(MANY_FEATURES);
}

TEST(soft_event_without_nrip)
{
	soft_event(NO_FEATURES);
}

TEST(interrupted_delivery)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	e = exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_INTR | 0x55, 0);
	CHECK(e.vectoring.kind == EVENT_INTR && e.vectoring.vector == 0x55);
	e = exit_during(SVM_EXIT_NPF,
			SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_EXEPT |
				SVM_EXITINTINFO_VALID_ERR | 13,
			0x18);
	CHECK(e.vectoring.kind == EVENT_EXCEPTION && e.vectoring.vector == 13 &&
	      e.vectoring.has_error && e.vectoring.error == 0x18);
	/* The guest's own INT3 and INTn run again by themselves. */
	CHECK_EQ(
		exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_EXEPT | 3, 0)
			.vectoring.kind,
		EVENT_NONE);
	CHECK_EQ(exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_SOFT | 0x80,
			     0)
			 .vectoring.kind,
		 EVENT_NONE);
	/* #BP that was injected as an exception doesn't. */
	hw_inject(&hw, &(struct hw_event){ .kind = EVENT_EXCEPTION, .vector = 3 });
	e = exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_EXEPT | 3, 0);
	CHECK(e.vectoring.kind == EVENT_EXCEPTION && e.vectoring.vector == 3);
	/* An NMI that didn't get in is not in service. */
	hw_inject(&hw, &(struct hw_event){ .kind = EVENT_NMI });
	e = exit_during(SVM_EXIT_NPF, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_NMI | 2, 0);
	CHECK(e.vectoring.kind == EVENT_NMI && !hw_nmi_masked(&hw));
	/* A plain exit can interrupt a delivery too. */
	e = exit_during(SVM_EXIT_INTR, SVM_EXITINTINFO_VALID | SVM_EXITINTINFO_TYPE_INTR | 0x56, 0);
	CHECK(e.kind == EXIT_INTR && e.vectoring.kind == EVENT_INTR);
	end();
}

TEST(interrupt_window)
{
	begin(NO_FEATURES);
	hw_request_intr_window(&hw);
	CHECK((c->int_ctl & V_IRQ_MASK) && (c->int_ctl & V_IGN_TPR_MASK) &&
	      vmcb_intercepts(&hw, INTERCEPT_VINTR));
	CHECK_EQ(exit_with(SVM_EXIT_INTR, 0, 0).kind, EXIT_INTR);
	CHECK(c->int_ctl & V_IRQ_MASK);
	CHECK_EQ(exit_with(SVM_EXIT_VINTR, 0, 0).kind, EXIT_INTR_WINDOW);
	CHECK(!(c->int_ctl & V_IRQ_MASK) && !vmcb_intercepts(&hw, INTERCEPT_VINTR));
	CHECK(c->int_ctl & V_INTR_MASKING_MASK);
	end();
}

/* The IRET of the handler, seen, and stepped over on demand. */
/* A host's interrupt behind STI: the guest goes on in its shadow, and the window waits for its end. */
TEST(a_shadow_outlasts_an_exit)
{
	begin(NO_FEATURES);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_INTR;
	next.rip = s->rip;
	next.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF;
	next.int_state = SVM_INTERRUPT_SHADOW_MASK;
	enter();
	CHECK(!hw_intr_allowed(&hw));
	hw_request_intr_window(&hw);
	CHECK_EQ(exit_with(SVM_EXIT_VINTR, 0, 0).kind, EXIT_INTR_WINDOW);
	CHECK(seen.int_state & SVM_INTERRUPT_SHADOW_MASK);
	CHECK(hw_intr_allowed(&hw));
	end();
}

TEST(nmi_window)
{
	begin(NO_FEATURES);
	CHECK(hw_nmi_allowed(&hw));
	hw_inject(&hw, &(struct hw_event){ .kind = EVENT_NMI });
	exit_with(SVM_EXIT_INTR, 0, 0);
	CHECK(hw_nmi_masked(&hw) && vmcb_intercepts(&hw, INTERCEPT_IRET));
	hw_set_rip(&hw, 0x2000);
	hw_request_nmi_window(&hw);
	exit_with(SVM_EXIT_INTR, 0, 0);
	CHECK(!(seen.rflags & X86_EFLAGS_TF));	/* nothing to step over yet */
	CHECK_EQ(exit_with(SVM_EXIT_IRET, 0, 0).kind, EXIT_NMI_WINDOW);
	CHECK(!hw_nmi_allowed(&hw) && !vmcb_intercepts(&hw, INTERCEPT_IRET));
	hw_nmi_window_step(&hw);
	/* A page fault of the IRET comes first: not through. */
	CHECK_EQ(exit_with(SVM_EXIT_NPF, 0, 0).kind, EXIT_NPF);
	CHECK(seen.rflags & X86_EFLAGS_TF);
	CHECK(!(hw_rflags(&hw) & X86_EFLAGS_TF) && hw_nmi_masked(&hw));
	/* Through, and the RFLAGS that it popped have a TF of the guest's own. */
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_EXCP_BASE + 1;
	next.rip = 0x3000;
	next.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_TF;
	next.dr6 = 0xffff4ff0;
	CHECK_EQ(enter().kind, EXIT_NMI_WINDOW);
	CHECK(hw_nmi_allowed(&hw) && (hw_rflags(&hw) & X86_EFLAGS_TF));
	CHECK_EQ(hw_dr6(&hw), DR6_RESERVED);
	next.rflags = 0;
	enter();
	CHECK_EQ(seen.clean & CLEAN_DR, 0);
	end();
}

TEST(nmi_unmasked_without_a_step)
{
	begin(NO_FEATURES);
	hw_inject(&hw, &(struct hw_event){ .kind = EVENT_NMI });
	hw_set_rip(&hw, 0x2000);
	exit_with(SVM_EXIT_IRET, 0, 0);
	CHECK(hw_nmi_masked(&hw));
	next.code = SVM_EXIT_HLT;
	next.rip = 0x3000;
	enter();
	CHECK(!hw_nmi_masked(&hw));
	end();
}

TEST(nmi_window_in_a_shadow)
{
	begin(NO_FEATURES);
	hw_set_shadow(&hw, SHADOW_MOV_SS);
	CHECK_EQ(hw_shadow(&hw), SHADOW_STI | SHADOW_MOV_SS);
	CHECK(!hw_nmi_allowed(&hw) && !hw_nmi_masked(&hw));
	hw_request_nmi_window(&hw);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_EXCP_BASE + 1;
	next.rip = s->rip + 1;
	next.dr6 = 0xffff4ff0;
	CHECK_EQ(enter().kind, EXIT_NMI_WINDOW);
	CHECK(seen.rflags & X86_EFLAGS_TF);
	CHECK(!(hw_rflags(&hw) & X86_EFLAGS_TF));
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(!(seen.rflags & X86_EFLAGS_TF));
	end();
}

/* A data breakpoint during the step is the guest's: its #DB is not hidden. */
TEST(nmi_step_keeps_other_traps)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	hw_set_shadow(&hw, SHADOW_STI);
	hw_request_nmi_window(&hw);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_EXCP_BASE + 1;
	next.rip = s->rip + 1;
	next.dr6 = 0xffff4ff1;
	e = enter();
	CHECK(e.kind == EXIT_EXCEPTION && e.event.vector == 1 && (e.qual & 1));
	end();
}

TEST(single_step)
{
	struct hw_exit e;

	begin(NO_FEATURES);
	hw_set_single_step(&hw, true);
	memset(&next, 0, sizeof(next));
	next.code = SVM_EXIT_EXCP_BASE + 1;
	next.rip = s->rip + 1;
	next.dr6 = 0xffff4ff0;
	e = enter();
	CHECK((seen.rflags & X86_EFLAGS_TF) && e.kind == EXIT_EXCEPTION && e.qual == 0x4000 &&
	      !(hw_rflags(&hw) & X86_EFLAGS_TF));
	/* The guest's own TF stays. */
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_TF);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(hw_rflags(&hw) & X86_EFLAGS_TF);
	hw_set_single_step(&hw, false);
	hw_set_rflags(&hw, X86_EFLAGS_FIXED);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(!(seen.rflags & X86_EFLAGS_TF));
	end();
}

/*
 * ------------------------------------------------------------------ ASIDs, clean bits, host state
 */

TEST(asids_without_flush_by_asid)
{
	u32 flushes = 0, last;

	begin(NO_FEATURES);		/* 8 ASIDs: 1 to 7 */
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.asid == 1 && seen.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID);
	for (int i = 0; i < 14; i++) {
		last = seen.asid;
		hw_flush_tlb_all(&hw);
		exit_with(SVM_EXIT_HLT, 0, 0);
		CHECK(seen.asid >= 1 && seen.asid <= 7 && seen.asid != last &&
		      !(seen.clean & CLEAN_ASID));
		CHECK_EQ(seen.tlb_ctl != 0, seen.asid == 1);
		flushes += !!seen.tlb_ctl;
	}
	CHECK_EQ(flushes, 2);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(seen.tlb_ctl, 0);
	end();
}

TEST(flush_by_asid)
{
	u32 asid;

	begin(MANY_FEATURES);
	exit_with(SVM_EXIT_HLT, 0, 0);
	asid = seen.asid;
	hw_flush_tlb_all(&hw);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.asid == asid && seen.tlb_ctl == TLB_CONTROL_FLUSH_ASID);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(seen.tlb_ctl, 0);
	invlpgas = 0;
	hw_flush_tlb_gva(&hw, 0x1000);
	CHECK_EQ(invlpgas, 1);
	/* Everybody gets a new ASID, and the first one flushes. */
	hw_flush_tlb_cpu();
	hw_flush_tlb_gva(&hw, 0x1000);
	CHECK_EQ(invlpgas, 1);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.asid == 1 && seen.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID);
	end();
}

TEST(another_cpu)
{
	begin(MANY_FEATURES);
	exit_with(SVM_EXIT_HLT, 0, 0);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(seen.clean, CLEAN_ALL);
	shim_cpu = 1;
	*shim_msr(MSR_EFER) = 0;
	CHECK_EQ(hw_enable_cpu(), 0);
	hw_load(&hw, 1, true);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.clean == 0 && seen.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID);
	hw_disable_cpu();
	shim_cpu = 0;
	/* Back: what the first CPU's TLB has under the old ASID is stale. */
	*shim_msr(MSR_EFER) = EFER_SVME;
	hw_load(&hw, 0, true);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK(seen.clean == 0 && seen.asid == 2);
	end();
}

TEST(clean_bits)
{
	begin(MANY_FEATURES);
#define CLEARS(what, bit) do { exit_with(SVM_EXIT_HLT, 0, 0); what; exit_with(SVM_EXIT_HLT, 0, 0); CHECK_EQ(seen.clean, CLEAN_ALL & ~(bit)); } while (0)
	CLEARS(hw_set_cr3(&hw, 0x1000), CLEAN_CR);
	CLEARS(hw_set_efer(&hw, 0x100), CLEAN_CR);
	CLEARS(hw_set_cr2(&hw, 0x1000), CLEAN_CR2);
	CLEARS(hw_set_dr7(&hw, 0x401), CLEAN_DR);
	CLEARS(hw_set_dr6(&hw, DR6_RESERVED), CLEAN_DR);
	CLEARS(hw_set_tsc_offset(&hw, 1), CLEAN_INTERCEPTS);
	CLEARS(hw_set_exception_intercepts(&hw, 0), CLEAN_INTERCEPTS);
	CLEARS(hw_set_intercept(&hw, INTERCEPT_INSN_HLT, false), CLEAN_INTERCEPTS);
	CLEARS(hw_set_pause_window(&hw, 1, 2), CLEAN_INTERCEPTS);
	CLEARS(hw_set_msr_intercept(&hw, MSR_STAR, 3), CLEAN_PERM_MAP);
	CLEARS(hw_set_tdp_root(&hw, 0x2000, 4), CLEAN_NPT);
	CLEARS(hw_set_msr(&hw, MSR_IA32_CR_PAT, 6), CLEAN_NPT);
	CLEARS(hw_set_gdt(&hw, &(struct kvm_dtable){ }), CLEAN_DT);
	CLEARS(hw_set_segment(&hw, SEG_DS, &(struct kvm_segment){ }), CLEAN_SEG);
	CLEARS(hw_set_tpr(&hw, 5), CLEAN_INTR);
	CLEARS(hw_set_tpr(&hw, 5), 0);
	CLEARS(hw_set_tpr_threshold(&hw, 3), CLEAN_INTERCEPTS);
	CLEARS(hw_set_tpr_threshold(&hw, 2), 0);
	end();
}

TEST(host_state_is_saved_when_it_may_have_changed)
{
	begin(NO_FEATURES);
	vmsaves = 0;
	hw_load(&hw, 0, false);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 1);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 1);
	hw_load(&hw, 0, true);		/* a context switch and back */
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 1);
	svm_cpu(0)->last_vcpu = 99;	/* another vCPU was here in between */
	hw_load(&hw, 0, true);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 2);
	hw_load(&hw, 0, false);		/* a new ioctl */
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 3);
	/* It moves while it is switched out, and comes back: what CPU 0 kept is of a time before. */
	shim_cpu = 1;
	*shim_msr(MSR_EFER) = 0;
	CHECK_EQ(hw_enable_cpu(), 0);
	hw_load(&hw, 1, true);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 4);
	hw_disable_cpu();
	shim_cpu = 0;
	*shim_msr(MSR_EFER) = EFER_SVME;
	CHECK_EQ(svm_cpu(0)->last_vcpu, hw.id);
	hw_load(&hw, 0, true);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(vmsaves, 5);
	end();
}

/* Another thread may make an LDT, and replace it, at any time but while IRQs are off here: saved at each turn, from the first at which there is one. */
TEST(host_state_is_saved_again_with_an_ldt)
{
	struct mm_struct *mm = current->mm;

	begin(NO_FEATURES);
	vmsaves = 0;
	mm->context.ldt = mm;
	hw_prepare_guest_switch(&hw, current->tif);
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK_EQ(vmsaves, 2);
	mm->context.ldt = NULL;
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK_EQ(vmsaves, 2);
	end();
}

/* SSBD by an MSR that the kernel writes: asked for around each entry, but only where the guest or the thread wants it. */
TEST(virtual_ssbd_only_where_it_is_wanted)
{
	begin(NO_FEATURES);
	shim_cpu_caps[X86_FEATURE_LS_CFG_SSBD / 32] |= BIT(X86_FEATURE_LS_CFG_SSBD % 32);
	virt_spec_ctrls = 0;
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(virt_spec_ctrls, 0);
	hw.virt_spec_ctrl = BIT(2);
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(virt_spec_ctrls, 2);
	hw.virt_spec_ctrl = 0;
	current->tif |= 1ul << TIF_SSBD;
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(virt_spec_ctrls, 4);
	current->tif = 0;
	hw_prepare_guest_switch(&hw, current->tif);
	exit_with(SVM_EXIT_HLT, 0, 0);
	CHECK_EQ(virt_spec_ctrls, 4);
	shim_cpu_caps[X86_FEATURE_LS_CFG_SSBD / 32] &= ~BIT(X86_FEATURE_LS_CFG_SSBD % 32);
	end();
}

/* Branch predictions: a barrier when another vCPU comes, none when the same one comes back. */
TEST(ibpb)
{
	struct hw_vcpu other = { };

	begin(NO_FEATURES);
	CHECK_EQ(hw_vcpu_create(&other, &vm), 0);
	ibpbs = 0;
	hw_load(&hw, 0, false);
	CHECK_EQ(ibpbs, 0);
	hw_load(&other, 0, false);
	CHECK_EQ(ibpbs, 1);
	hw_load(&hw, 0, true);
	CHECK_EQ(ibpbs, 2);
	hw_vcpu_destroy(&other);
	end();
}

TEST(machine_check_enable_is_the_hosts)
{
	begin(NO_FEATURES);
	hw_set_cr4(&hw, 0x20);
	CHECK(hw_cr4(&hw) == 0x20 && s->cr4 == (0x20 | BIT(6)) &&
	      vmcb_intercepts(&hw, INTERCEPT_CR4_READ));
	hw_set_cr4(&hw, 0x20 | BIT(6));
	CHECK(!vmcb_intercepts(&hw, INTERCEPT_CR4_READ));
	end();
}

TEST(tsc_ratio)
{
	begin(MANY_FEATURES);
	/* Though neither the CPU nor the vCPU is another. */
	hw_put(&hw, false);
	CHECK(!hw_load(&hw, 0, false));
	hw_set_tsc_ratio(&hw, 3ull << 31);
	hw_put(&hw, false);
	CHECK(hw_load(&hw, 0, false));
	CHECK_EQ(*shim_msr(MSR_AMD64_TSC_RATIO), 3ull << 31);
	end();
	begin(NO_FEATURES);
	*shim_msr(MSR_AMD64_TSC_RATIO) = 0;
	hw_set_tsc_ratio(&hw, 3ull << 31);
	hw_put(&hw, false);
	hw_load(&hw, 0, false);
	CHECK_EQ(*shim_msr(MSR_AMD64_TSC_RATIO), 0);
	end();
}

/* ------------------------------------------------------------------ state */

/* Bochs changes LMA before a write to CR0.PG exits. */
TEST(efer_is_what_was_set)
{
	begin(NO_FEATURES);
	hw_set_efer(&hw, EFER_LME);
	s->efer |= EFER_LMA;
	exit_with(SVM_EXIT_WRITE_CR0, 0, 0);
	CHECK_EQ(hw_efer(&hw), EFER_LME);
	end();
}

TEST(reset_and_init)
{
	struct kvm_segment cs;
	u64 val;

	begin(NO_FEATURES);
	CHECK_EQ(hw_cr0(&hw), 0x60000010);
	CHECK_EQ(s->cr0, 0x10);
	CHECK(vmcb_intercepts(&hw, INTERCEPT_CR0_READ));
	CHECK(hw_rip(&hw) == 0xfff0 && hw_rflags(&hw) == 2 && hw_efer(&hw) == 0 &&
	      (s->efer & EFER_SVME));
	hw_get_segment(&hw, SEG_CS, &cs);
	CHECK(cs.base == 0xffff0000 && cs.selector == 0xf000 && cs.limit == 0xffff && cs.present &&
	      !cs.unusable);
	hw_set_msr(&hw, MSR_LSTAR, 0x1234);
	hw_set_cr0(&hw, 0x80000011);
	CHECK(!vmcb_intercepts(&hw, INTERCEPT_CR0_READ));
	hw_vcpu_reset(&hw, HW_INIT);
	CHECK_EQ(hw_cr0(&hw), 0x10);
	CHECK(!hw_get_msr(&hw, MSR_LSTAR, &val) && val == 0x1234);
	hw_vcpu_reset(&hw, HW_RESET);
	CHECK(!hw_get_msr(&hw, MSR_LSTAR, &val) && val == 0);
	CHECK_EQ(hw_cr0(&hw), 0x60000010);
	end();
}

TEST(msr_permission_map)
{
	begin(NO_FEATURES);
	CHECK_EQ(msrpm_bit(0), 0);
	CHECK_EQ(msrpm_bit(0x1fff), 0x3ffe);
	CHECK_EQ(msrpm_bit(0xc0000000), 0x4000);
	CHECK_EQ(msrpm_bit(0xc0011fff), 0xbffe);
	CHECK_EQ(msrpm_bit(0x2000), -1);
	CHECK_EQ(msrpm_bit(0xc0002000), -1);
	CHECK_EQ(msrpm_bit(0xc0012000), -1);
	CHECK_EQ(msrpm_bit(0xffffffff), -1);
	CHECK(test_bit(msrpm_bit(MSR_EFER), hw.msrpm) &&
	      test_bit(msrpm_bit(MSR_EFER) + 1, hw.msrpm));
	CHECK(!test_bit(msrpm_bit(MSR_LSTAR), hw.msrpm) &&
	      !test_bit(msrpm_bit(MSR_LSTAR) + 1, hw.msrpm));
	hw_set_msr_intercept(&hw, MSR_LSTAR, ACCESS_WRITE);
	CHECK(!test_bit(msrpm_bit(MSR_LSTAR), hw.msrpm) &&
	      test_bit(msrpm_bit(MSR_LSTAR) + 1, hw.msrpm));
	hw_set_msr_intercept(&hw, 0x40000000, 0);	/* not in the map: nothing to write to */
	CHECK(!hw.spec_ctrl_open);
	hw_set_msr_intercept(&hw, MSR_IA32_SPEC_CTRL, 0);
	CHECK(hw.spec_ctrl_open);
	hw_set_msr_intercept(&hw, MSR_IA32_SPEC_CTRL, ACCESS_WRITE);
	CHECK(!hw.spec_ctrl_open);
	end();
}

TEST(segments_round_trip)
{
	struct kvm_segment in, out;

	begin(NO_FEATURES);
	for (int i = 0; i < NR_SEGS; i++) {
		in = (struct kvm_segment){ .base = 0x123456789000 + i,
					   .limit = 0xfffff + i,
					   .selector = 8 * i + 3,
					   .type = 3,
					   .present = 1,
					   .dpl = 3,
					   .db = 1,
					   .s = 1,
					   .l = 1,
					   .g = i > 0,
					   .avl = 1 };
		hw_set_segment(&hw, i, &in);
		hw_get_segment(&hw, i, &out);
		CHECK_MEM(&in, &out, sizeof(in));
	}
	CHECK_EQ(hw_cpl(&hw), 3);
	in.unusable = 1;
	hw_set_segment(&hw, SEG_FS, &in);
	hw_get_segment(&hw, SEG_FS, &out);
	CHECK(out.unusable && !out.present);
	in = (struct kvm_segment){ .type = 9, .present = 1 }; /* an available TSS can't be loaded */
	hw_set_segment(&hw, SEG_TR, &in);
	hw_get_segment(&hw, SEG_TR, &out);
	CHECK_EQ(out.type, 11);
	end();
}

TEST(msrs)
{
	static const u32 held[] = { MSR_STAR,
				    MSR_LSTAR,
				    MSR_CSTAR,
				    MSR_SYSCALL_MASK,
				    MSR_FS_BASE,
				    MSR_GS_BASE,
				    MSR_KERNEL_GS_BASE,
				    MSR_IA32_SYSENTER_CS,
				    MSR_IA32_SYSENTER_ESP,
				    MSR_IA32_SYSENTER_EIP,
				    MSR_IA32_CR_PAT,
				    MSR_TSC_AUX,
				    MSR_IA32_SPEC_CTRL,
				    MSR_AMD64_VIRT_SPEC_CTRL };
	u64 val;

	begin(NO_FEATURES);
	for (int i = 0; i < ARRAY_SIZE(held); i++)
		CHECK_EQ(hw_set_msr(&hw, held[i], 0x1000 + i), 0);
	for (int i = 0; i < ARRAY_SIZE(held); i++)
		CHECK(!hw_get_msr(&hw, held[i], &val) && val == 0x1000 + i);
	CHECK_EQ(hw_get_msr(&hw, MSR_EFER, &val), -ENOENT);
	CHECK_EQ(hw_set_msr(&hw, 0x10, 0), -ENOENT);
	CHECK_EQ(s->lstar, 0x1001);
	end();
}

TEST(intercepts)
{
	begin(NO_FEATURES);
	CHECK(vmcb_intercepts(&hw, INTERCEPT_INTR) && vmcb_intercepts(&hw, INTERCEPT_NMI) &&
	      vmcb_intercepts(&hw, INTERCEPT_VMRUN) && vmcb_intercepts(&hw, INTERCEPT_MSR_PROT) &&
	      vmcb_intercepts(&hw, INTERCEPT_IOIO_PROT) &&
	      vmcb_intercepts(&hw, INTERCEPT_SHUTDOWN) && vmcb_intercepts(&hw, INTERCEPT_XSETBV) &&
	      vmcb_intercepts(&hw, INTERCEPT_SKINIT) && vmcb_intercepts(&hw, INTERCEPT_INVLPGA));
	CHECK(!vmcb_intercepts(&hw, INTERCEPT_CR3_READ) &&
	      !vmcb_intercepts(&hw, INTERCEPT_CR3_WRITE));
	CHECK_EQ(c->intercepts[INTERCEPT_EXCEPTION], BIT(1) | BIT(17) | BIT(18));
	hw_set_exception_intercepts(&hw, BIT(6));
	CHECK_EQ(c->intercepts[INTERCEPT_EXCEPTION], BIT(1) | BIT(6) | BIT(17) | BIT(18));
	hw_set_intercept(&hw, INTERCEPT_INSN_MWAIT, true);
	CHECK(vmcb_intercepts(&hw, INTERCEPT_MONITOR) &&
	      vmcb_intercepts(&hw, INTERCEPT_MWAIT));
	hw_set_intercept(&hw, INTERCEPT_INSN_MWAIT, false);
	CHECK(!vmcb_intercepts(&hw, INTERCEPT_MONITOR) &&
	      !vmcb_intercepts(&hw, INTERCEPT_MWAIT) &&
	      vmcb_intercepts(&hw, INTERCEPT_SELECTIVE_CR0) == 0);
	hw_set_insns(&hw, INSN_RDTSCP);
	CHECK(!vmcb_intercepts(&hw, INTERCEPT_RDTSCP));
	hw_set_insns(&hw, 0);
	CHECK(vmcb_intercepts(&hw, INTERCEPT_RDTSCP));
	hw_set_insns(&hw, INSN_RDTSCP);
	hw_set_intercept(&hw, INTERCEPT_INSN_RDTSC, true);
	CHECK(vmcb_intercepts(&hw, INTERCEPT_RDTSC) && vmcb_intercepts(&hw, INTERCEPT_RDTSCP));
	hw_set_pause_window(&hw, 128, 1 << 20);
	CHECK(hw_pause_window(&hw) == 0xffff && c->pause_filter_thresh == 128);
	CHECK_EQ(hw_set_preemption_timer(&hw, 1), -EOPNOTSUPP);
	CHECK(!hw_cut_guest_time(&hw));
	end();
}
