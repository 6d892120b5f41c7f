// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX backend with a processor of this test's own in the place of enter.S and ops.h: VMCSs of memory, whose launch state, activity and
 * widths it watches, and which checks what an entry finds and leaves what an exit would.
 */
#include "check.h"

#undef HW_FAKE
#define HW_VMX

/* ------------------------------------------------------------------ what the backend asks of the host, beyond the shim */

static unsigned long ibpbs, machine_checks, host_nmis, gdt_loads;
static unsigned long host_cr0 = 0x80050033, host_cr3 = 0x1000, host_cr4 = 0x3406e0, host_cr2;
static bool x86_ibpb_exit_to_user[64];
static u32 host_bugs;
struct pt_regs { unsigned long cs, flags; };
struct static_key_false mmio_stale_data_clear;
u16 x86_verw_sel;
enum { L1TF_MITIGATION_AUTO, L1TF_MITIGATION_OFF, L1TF_MITIGATION_FLUSH_NOWARN, L1TF_MITIGATION_FLUSH, L1TF_MITIGATION_FLUSH_NOSMT, L1TF_MITIGATION_FULL,
	L1TF_MITIGATION_FULL_FORCE } l1tf_mitigation;
bool itlb_multihit_kvm_mitigation;

enum { BUG_L1TF = 1, BUG_ITLB = 2 };
#undef boot_cpu_has_bug
#define boot_cpu_has_bug(bug)	((bug) == X86_BUG_L1TF ? !!(host_bugs & BUG_L1TF) : (bug) == X86_BUG_ITLB_MULTIHIT ? !!(host_bugs & BUG_ITLB) : 0)
#define static_cpu_has_bug	boot_cpu_has_bug
#define cpu_mitigations_off()	false
#define indirect_branch_prediction_barrier() (ibpbs++)
#define do_machine_check(regs)	((void)(regs), machine_checks++)
#define get_order(size)		4
#undef IS_ENABLED
#define IS_ENABLED(c)	1

static unsigned long irq_l1d_dirty;
#define kvm_get_cpu_l1tf_flush_l1d()	(irq_l1d_dirty)
#define kvm_clear_cpu_l1tf_flush_l1d()	(irq_l1d_dirty = 0)

#define read_cr0()		host_cr0
#define __read_cr4()		host_cr4
#undef cr4_read_shadow
#define cr4_read_shadow()	host_cr4
#define cr4_set_bits(b)		(host_cr4 |= (b))
#define cr4_clear_bits(b)	(host_cr4 &= ~(b))
#define __get_current_cr3_fast()	host_cr3
#define native_read_cr2()	host_cr2
#define native_write_cr2(v)	(host_cr2 = (v))
#define __KERNEL_CS		0x10
#define GDT_ENTRY_TSS		8
#define GDT_ENTRY_LDT		10
#define store_idt(p)		((p)->address = 0xfffffe0000000000ul)
static struct { struct { char x86_tss; } tss; } entry_area[NR_CPUS];
static char entry_stacks[NR_CPUS + 1], gdts[NR_CPUS];
#define get_cpu_entry_area(cpu)	(&entry_area[cpu])
#define cpu_entry_stack(cpu)	(&entry_stacks[cpu])
#define get_current_gdt_ro()	(&gdts[shim_cpu])
static u16 host_ds, host_es, host_fs, host_gs;
static unsigned long gs_loads, tss_reloads;
#define savesegment(s, v)	((v) = host_##s)
#define loadsegment(s, v)	(host_##s = (v))
#define load_gs_index(v)	(host_gs = (v), gs_loads++)
#define invalidate_tss_limit()	(tss_reloads++)
static DEFINE_PER_CPU(bool, __tss_limit_invalid);
#define native_load_gdt(d)	do { CHECK_EQ((d)->size, GDT_SIZE - 1); CHECK_EQ((d)->address, (unsigned long)&gdts[shim_cpu]); gdt_loads++; } while (0)
#define GDT_SIZE		128
#define rdfsbase()		(*shim_msr(MSR_FS_BASE))

struct perf_guest_switch_msr { unsigned int msr; u64 host, guest; };
static struct perf_guest_switch_msr host_perf[4];
static int host_perf_nr;
static struct perf_guest_switch_msr *perf_guest_get_msrs(int *nr, void *data)
{
	SHIM_ASSERT(!data);	/* guests have no counters */
	*nr = host_perf_nr;
	return host_perf;
}

/* ------------------------------------------------------------------ the processor: hw/vmx/ops.h and enter.S */

#define HW_VMX_OPS_H
#define HW_VMX_ENTER_H
struct hw_vcpu;
static bool vmx_enter(struct hw_vcpu *hw);
static unsigned long returns_forgotten;
#define vmx_forget_returns() (returns_forgotten++)
void vmcs_error(u32 field, bool write);
bool vmx_is_on(void);

#define FIELDS	0x7000
static struct cpu_vmcs {
	unsigned long pa;
	int active;		/* on this CPU, or -1 */
	bool launched;
	u64 field[FIELDS];
} vmcss[4];
static struct cpu_vmcs *current_vmcs[NR_CPUS];
static bool vmx_on[NR_CPUS];
static unsigned long vmxoff_faults;
static unsigned long vmreads, vmwrites, vmclears, invepts, invvpids;
static u64 last_invept, last_invvpid, last_invvpid_gva;

static struct cpu_vmcs *vmcs_at(unsigned long pa)
{
	struct cpu_vmcs *free_one = NULL;

	for (int i = 0; i < ARRAY_SIZE(vmcss); i++) {
		if (vmcss[i].pa == pa)
			return &vmcss[i];
		if (!vmcss[i].pa && !free_one)
			free_one = &vmcss[i];
	}
	SHIM_ASSERT(free_one);
	*free_one = (struct cpu_vmcs){ .pa = pa, .active = -1 };
	memset(free_one->field, 0xa5, sizeof(free_one->field));	/* whatever was in memory */
	return free_one;
}

/* Bits 11:10 of an encoding are the type; 1 is read-only (SDM 3C, 25.11.2). */
static u64 vmcs_read_any(u32 field)
{
	vmreads++;
	SHIM_ASSERT(field < FIELDS);
	if (!vmx_on[shim_cpu] || !current_vmcs[shim_cpu]) {
		vmcs_error(field, false);
		return 0;
	}
	return current_vmcs[shim_cpu]->field[field];
}

static void vmcs_write_any(u32 field, u64 val)
{
	static const u64 width[] = { 0xffff, ~0ull, 0xffffffff, ~0ull };

	vmwrites++;
	SHIM_ASSERT(field < FIELDS);
	if (!vmx_on[shim_cpu] || !current_vmcs[shim_cpu] || ((field >> 10) & 3) == 1) {
		vmcs_error(field, true);
		return;
	}
	current_vmcs[shim_cpu]->field[field] = val & width[(field >> 13) & 3];
}

static void vmclear(unsigned long pa)
{
	struct cpu_vmcs *v = vmcs_at(pa);

	SHIM_ASSERT(vmx_on[shim_cpu]);
	/* A VMCS that is active on another CPU would be lost there. */
	SHIM_ASSERT(v->active == -1 || v->active == shim_cpu);
	vmclears++;
	v->active = -1;
	v->launched = false;
	if (current_vmcs[shim_cpu] == v)
		current_vmcs[shim_cpu] = NULL;
}

static void vmptrld(unsigned long pa)
{
	struct cpu_vmcs *v = vmcs_at(pa);

	SHIM_ASSERT(vmx_on[shim_cpu] && (v->active == -1 || v->active == shim_cpu));
	SHIM_ASSERT(*(u32 *)pa == 0x1234);	/* the revision */
	v->active = shim_cpu;
	current_vmcs[shim_cpu] = v;
}

static int vmxon_result;
static int vmxon(unsigned long region)
{
	if (vmxon_result)
		return vmxon_result;
	SHIM_ASSERT(!vmx_on[shim_cpu] && (host_cr4 & BIT(13)) && *(u32 *)region == 0x1234);
	SHIM_ASSERT((*shim_msr(MSR_IA32_FEAT_CTL) & 5) == 5);
	vmx_on[shim_cpu] = true;
	return 0;
}

static void vmxoff(void)
{
	if (!vmx_on[shim_cpu]) {
		vmxoff_faults++;	/* #UD, which the true one gets over */
		return;
	}
	for (int i = 0; i < ARRAY_SIZE(vmcss); i++)
		SHIM_ASSERT(!vmcss[i].pa || vmcss[i].active != shim_cpu);
	vmx_on[shim_cpu] = false;
	current_vmcs[shim_cpu] = NULL;
}

static void invept(u64 extent, u64 eptp)
{
	invepts++;
	last_invept = extent == 1 ? eptp : 0;
}

static void invvpid(u64 extent, u16 vpid, u64 gva)
{
	SHIM_ASSERT(extent == 2 || vpid);
	invvpids++;
	last_invvpid = extent;
	last_invvpid_gva = gva;
}

static void vmx_host_nmi(void)
{
	host_nmis++;
}

/* For check.c, whose only effect is its words. */
static char said[8192];
static void say(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
}
#undef pr_info
#define pr_info say
#undef pr_warn_ratelimited
#define pr_warn_ratelimited say

#include "hw/hw.h"
#include "hw/vmx/flaws.c"
#include "hw/vmx/caps.c"
#include "hw/vmx/vmcs.c"
#include "hw/vmx/event.c"
#include "hw/vmx/apic.c"
#include "hw/vmx/perf.c"
#include "hw/vmx/exit.c"
#include "hw/vmx/check.c"
#include "hw/vmx/run.c"

enum vmx_l1d_flush_state l1tf_vmx_mitigation;
static struct hw_vm vm;
static struct hw_vcpu hw;

/* What a VM exit leaves, given before the entry. */
static struct {
	u32 reason, insn_len, intr_info, intr_error, vectoring, vectoring_error, insn_info;
	u64 qual, gpa, rip, cr2;
	bool has_rip;
	u32 refuse;		/* VMfailValid with this error */
	void (*guest)(void);	/* what the guest does meanwhile */
} next;

/* What the entry found. */
static struct {
	u32 entries, info, error, insn_len, timer, pin, proc, interruptibility;
	u64 rip, rflags, pending_debug;
	bool launched;
} seen;

#define F(encoding) (current_vmcs[shim_cpu]->field[encoding])

static bool cpu_fails(u32 error)
{
	F(VM_INSTRUCTION_ERROR) = error;
	return false;
}

static bool vmx_enter(struct hw_vcpu *v)
{
	struct cpu_vmcs *c = current_vmcs[shim_cpu];
	bool launched = !(v->work & WORK_LAUNCH);

	SHIM_ASSERT(vmx_on[shim_cpu] && c);
	if (c->launched != launched)
		return cpu_fails(launched ? 5 : 4);
	seen = (typeof(seen)){ .entries = seen.entries + 1, .info = F(VM_ENTRY_INTR_INFO_FIELD), .error = F(VM_ENTRY_EXCEPTION_ERROR_CODE),
		.insn_len = F(VM_ENTRY_INSTRUCTION_LEN), .timer = F(VMX_PREEMPTION_TIMER_VALUE), .pin = F(PIN_BASED_VM_EXEC_CONTROL),
		.proc = F(CPU_BASED_VM_EXEC_CONTROL), .interruptibility = F(GUEST_INTERRUPTIBILITY_INFO), .rip = F(GUEST_RIP),
		.rflags = F(GUEST_RFLAGS), .pending_debug = F(GUEST_PENDING_DBG_EXCEPTIONS), .launched = launched };
	if (next.refuse)
		return cpu_fails(next.refuse);
	if (!(next.reason & BIT(31))) {
		c->launched = true;
		F(VM_ENTRY_INTR_INFO_FIELD) &= ~BIT(31);
	}
	if (next.guest)
		next.guest();
	F(VM_EXIT_REASON) = next.reason;
	F(EXIT_QUALIFICATION) = next.qual;
	F(VM_EXIT_INSTRUCTION_LEN) = next.insn_len;
	F(VM_EXIT_INTR_INFO) = next.intr_info;
	F(VM_EXIT_INTR_ERROR_CODE) = next.intr_error;
	F(IDT_VECTORING_INFO_FIELD) = next.vectoring;
	F(IDT_VECTORING_ERROR_CODE) = next.vectoring_error;
	F(GUEST_PHYSICAL_ADDRESS) = next.gpa;
	F(VMX_INSTRUCTION_INFO) = next.insn_info;
	if (next.has_rip)
		F(GUEST_RIP) = next.rip;
	return true;
}

static struct hw_exit enter(void)
{
	struct hw_exit exit;

	/* As the exit before may have left it: what this one means must be set. */
	memset(&exit, 0xa5, sizeof(exit));
	hw_begin_turn(&hw);
	hw_enter_guest(&hw, &exit);
	hw_end_turn(&hw);
	return exit;
}

static struct hw_exit exit_with(u32 reason, u64 qual)
{
	memset(&next, 0, sizeof(next));
	next.reason = reason;
	next.qual = qual;
	next.insn_len = 2;
	return enter();
}

static struct hw_exit exit_exception(u32 info, u32 error, u64 qual)
{
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_EXCEPTION_NMI;
	next.intr_info = info | INTR_INFO_VALID_MASK;
	next.intr_error = error;
	next.qual = qual;
	next.insn_len = 1;
	return enter();
}

/* ------------------------------------------------------------------ processors to choose from */

enum model { OLD, NEW };	/* without and with what is optional */

#define ALLOW(must, may)	((u64)(u32)(may) << 32 | (u32)(must))
#define PIN_NEEDS	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS)
#define PROC_NEEDS	(CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | \
			 CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_MOV_DR_EXITING | CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_USE_MSR_BITMAPS | \
			 CPU_BASED_TPR_SHADOW | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define PROC2_NEEDS	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define EPT_NEEDS	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_INVEPT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)
#define EXIT_NEEDS	(VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_IA32_EFER | VM_EXIT_LOAD_IA32_EFER | VM_EXIT_SAVE_IA32_PAT | VM_EXIT_LOAD_IA32_PAT)
#define ENTRY_NEEDS	(VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT)

static void host_cpu(enum model model)
{
	u32 all = model == NEW ? ~0u : 0;

	boot_cpu_data.x86_vendor = X86_VENDOR_INTEL;
	boot_cpu_data.cpuid_level = 0x16;
	boot_cpu_data.x86_phys_bits = 46;
	host_bugs = 0;
	host_cr4 = 0x3406e0;
	vmxon_result = 0;
	shim_pt_vmx = 0;
	memset(shim_cpuid, 0, sizeof(shim_cpuid));
	shim_cpuid[0] = (struct shim_cpuid){ .leaf = 1, .ecx = BIT(5) };
	*shim_msr(MSR_IA32_FEAT_CTL) = 0;
	*shim_msr(MSR_IA32_VMX_BASIC) = 0x1234 | VMX_BASIC_TRUE_CTLS;
	*shim_msr(MSR_IA32_VMX_MISC) = 5;
	*shim_msr(MSR_IA32_VMX_CR0_FIXED0) = 0x80000021;
	*shim_msr(MSR_IA32_VMX_CR0_FIXED1) = 0xffffffff;
	*shim_msr(MSR_IA32_VMX_CR4_FIXED0) = 0x2000;
	*shim_msr(MSR_IA32_VMX_CR4_FIXED1) = 0x3767ff;
	*shim_msr(MSR_IA32_VMX_TRUE_PINBASED_CTLS) = ALLOW(0x16, PIN_NEEDS | 0x16 | all);
	*shim_msr(MSR_IA32_VMX_TRUE_PROCBASED_CTLS) =
		ALLOW(0x4006172, PROC_NEEDS | 0x401e172 | all | CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING);
	*shim_msr(MSR_IA32_VMX_PROCBASED_CTLS2) = ALLOW(0, PROC2_NEEDS | all);
	*shim_msr(MSR_IA32_VMX_TRUE_EXIT_CTLS) = ALLOW(0x36dfb, EXIT_NEEDS | 0x36dfb | all);
	*shim_msr(MSR_IA32_VMX_TRUE_ENTRY_CTLS) = ALLOW(0x11fb, ENTRY_NEEDS | 0x13fb | all);
	*shim_msr(MSR_IA32_VMX_EPT_VPID_CAP) = model == OLD ? EPT_NEEDS :
		EPT_NEEDS | VMX_EPT_2MB_PAGE_BIT | VMX_EPT_1GB_PAGE_BIT | VMX_EPT_AD_BIT | VMX_EPT_EXTENT_CONTEXT_BIT |
		(u64)(VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |
		      VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT) << 32;
	*shim_msr(MSR_EFER) = 0xd01;
	*shim_msr(MSR_IA32_CR_PAT) = 0x0407050600070106;
	memset(vmx_on, 0, sizeof(vmx_on));
	memset(vmcss, 0, sizeof(vmcss));
	memset(current_vmcs, 0, sizeof(current_vmcs));
	memset(&next, 0, sizeof(next));
	shim_cpu = 0;
}

static long pages_before;

static void begin(enum model model)
{
	host_cpu(model);
	pages_before = shim_live_pages;
	CHECK_EQ(hw_setup(), 0);
	CHECK_EQ(hw_enable_cpu(), 0);
	memset(&hw, 0, sizeof(hw));
	memset(&vm, 0, sizeof(vm));
	CHECK_EQ(hw_vm_init(&vm), 0);
	CHECK_EQ(hw_vcpu_create(&hw, &vm), 0);
	hw_load(&hw, 0, false);
	hw_vcpu_reset(&hw, HW_RESET);
	hw_set_tdp_root(&hw, 0x5000, 4);
	hw_prepare_guest_switch(&hw, current->tif);
	memset(&seen, 0, sizeof(seen));
}

static void end(void)
{
	hw_put(&hw, false);
	hw_vcpu_destroy(&hw);
	hw_vm_destroy(&vm);
	hw_disable_cpu();
	hw_teardown();
	CHECK_EQ(shim_live_pages, pages_before);
}

/* A guest in 64-bit mode, ring 0. */
static void long_mode(void)
{
	struct kvm_segment cs = { .type = 11, .s = 1, .present = 1, .l = 1, .g = 1, .limit = 0xffffffff, .selector = 8 };
	struct kvm_segment ds = { .type = 3, .s = 1, .present = 1, .db = 1, .g = 1, .limit = 0xffffffff, .selector = 16 };

	hw_set_cr4(&hw, X86_CR4_PAE);
	hw_set_efer(&hw, EFER_LME | EFER_LMA);
	hw_set_cr0(&hw, X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE);
	hw_set_segment(&hw, SEG_CS, &cs);
	for (enum seg s = SEG_ES; s <= SEG_GS; s++)
		if (s != SEG_CS)
			hw_set_segment(&hw, s, &ds);
	hw_set_segment(&hw, SEG_TR, &(struct kvm_segment){ .type = 11, .present = 1, .limit = 0x67 });
	hw_set_rip(&hw, 0x100000);
}

/* ------------------------------------------------------------------ probe and set-up */

static const char *refused(void)
{
	const char *why = "";
	int err = hw_probe(&why);

	return err == -EOPNOTSUPP ? why : err ? "?" : "";
}

static void forbid(u32 msr, u32 bits)
{
	*shim_msr(msr) &= ~((u64)bits << 32);
}

TEST(probe)
{
	const char *why;

	host_cpu(OLD);
	CHECK_EQ(hw_probe(&why), 0);
	host_cpu(NEW);
	CHECK_EQ(hw_probe(&why), 0);
	boot_cpu_data.x86_vendor = X86_VENDOR_AMD;
	CHECK(strstr(refused(), "not an Intel"));
	host_cpu(NEW);
	shim_cpuid[0].ecx = 0;
	CHECK(strstr(refused(), "no VMX"));
	host_cpu(NEW);
	*shim_msr(MSR_IA32_FEAT_CTL) = FEAT_CTL_LOCKED;
	CHECK(strstr(refused(), "firmware"));
	*shim_msr(MSR_IA32_FEAT_CTL) = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
	CHECK(!*refused());
	*shim_msr(MSR_IA32_VMX_BASIC) = 0x1234;
	CHECK(strstr(refused(), "true controls"));
	host_cpu(NEW);
	host_cr4 |= BIT(13);
	CHECK_EQ(hw_probe(&why), -EBUSY);
}

/* Each control that the table requires, one at a time. */
TEST(required_controls)
{
	static const struct { u32 msr, bits; const char *why; } rows[] = {
		{ MSR_IA32_VMX_TRUE_PINBASED_CTLS, PIN_NEEDS, "virtual NMIs" },
		{ MSR_IA32_VMX_TRUE_PROCBASED_CTLS, PROC_NEEDS, "TPR shadow" },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_ENABLE_EPT, "nested paging" },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guest" },
		{ MSR_IA32_VMX_TRUE_EXIT_CTLS, EXIT_NEEDS, "EFER and PAT" },
		{ MSR_IA32_VMX_TRUE_ENTRY_CTLS, ENTRY_NEEDS, "EFER and PAT" },
	};

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int bit = 0; bit < 32; bit++) {
			if (!(rows[i].bits & BIT(bit)))
				continue;
			host_cpu(NEW);
			forbid(rows[i].msr, BIT(bit));
			CHECK(strstr(refused(), rows[i].why));
		}
	}
	for (int bit = 0; bit < 64; bit++) {
		host_cpu(OLD);
		*shim_msr(MSR_IA32_VMX_EPT_VPID_CAP) &= ~BIT_ULL(bit);
		CHECK_EQ(!!*refused(), (EPT_NEEDS & ~VMX_EPT_EXTENT_GLOBAL_BIT) >> bit & 1);
	}
}

/* What must be 1 is, what is wanted is where the CPU has it, nothing else is. */
TEST(chosen_controls)
{
	static const struct control_row *row;
	u32 *words[] = { &vmx_config.controls.pin, &vmx_config.controls.proc, &vmx_config.controls.proc2, &vmx_config.controls.exit, &vmx_config.controls.entry };
	u32 dropped = CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | CPU_BASED_INVLPG_EXITING;

	for (int model = OLD; model <= NEW; model++) {
		begin(model);
		for (row = control_rows; row < control_rows + ARRAY_SIZE(control_rows); row++) {
			u64 cap = *shim_msr(row->msr);
			u32 val = *words[row->word], may = cap >> 32;

			CHECK_EQ(row->required & ~val, 0);
			CHECK_EQ(row->wanted & may & ~val, 0);
			CHECK_EQ(val & ~(u32)(row->required | row->wanted | (u32)cap), 0);
			CHECK_EQ((u32)cap & ~val & ~(row->word == WORD_PROC ? dropped : 0), 0);
			CHECK_EQ(val & ~may, 0);
		}
		CHECK_EQ(hw_caps.preemption_timer, model == NEW);
		CHECK_EQ(hw_caps.pause_filter, model == NEW);
		CHECK_EQ(hw_caps.tdp_ad, model == NEW);
		CHECK_EQ(hw_caps.tdp_1g, model == NEW);
		CHECK_EQ(hw_caps.tsc_scaling, model == NEW);
		CHECK_EQ(hw_caps.mtf, model == NEW);
		CHECK_EQ(hw_caps.max_phys_bits, 46);
		end();
	}
}

TEST(setup_fails_clean)
{
	int n;

	for (int bugs = 0; bugs <= BUG_L1TF; bugs += BUG_L1TF) {
		host_cpu(NEW);
		host_bugs = bugs;
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
}

TEST(create_fails_clean)
{
	struct hw_vcpu other = { };
	unsigned long before;
	int n;

	begin(NEW);
	before = shim_live_pages;
	for (n = 1; ; n++) {
		shim_fail_alloc = n;
		if (!hw_vcpu_create(&other, &vm))
			break;
		CHECK_EQ(shim_live_pages, before);
	}
	CHECK(n > 3);
	shim_fail_alloc = 0;
	hw_vcpu_destroy(&other);
	CHECK_EQ(shim_live_pages, before);
	end();
}

/* ------------------------------------------------------------------ on and off, and where a VMCS is */

TEST(enable_disable)
{
	begin(NEW);
	CHECK(vmx_on[0] && (host_cr4 & BIT(13)) && vmx_is_on());
	CHECK_EQ(shim_pt_vmx, 1);
	/* The firmware had left it open: locked, with VMX. */
	CHECK_EQ(*shim_msr(MSR_IA32_FEAT_CTL), FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
	CHECK_EQ(hw_enable_cpu(), -EBUSY);
	CHECK(hw_cpu_compatible());
	exit_with(EXIT_REASON_CPUID, 0);
	/* The VMCS goes to memory first; vmxoff() checks that none is active. */
	hw_disable_cpu();
	CHECK(!vmx_on[0] && !(host_cr4 & BIT(13)) && hw.cpu == -1 && (hw.work & WORK_LAUNCH));
	CHECK_EQ(shim_pt_vmx, 0);
	/* Twice, as in a crash after a reboot: nothing that would be #UD. */
	hw_disable_cpu();
	hw_crash_cpu();
	CHECK_EQ(vmxoff_faults, 0);
	end();
}

/* The NMI of a crash comes upon a CPU anywhere. */
TEST(crash)
{
	struct hw_vcpu other = { };
	struct list_head *list;

	begin(NEW);
	CHECK_EQ(hw_vcpu_create(&other, &vm), 0);
	hw_load(&other, 0, false);
	list = &vmx_cpu(0)->loaded;
	/* Between the two halves of taking one off the list: it is cleared, whether the list has it or not. */
	vmclear(virt_to_phys(other.vmcs));
	CHECK(list->next == &other.link);
	other.link.next->prev = list;
	hw_crash_cpu();
	CHECK(!vmx_on[0] && !(host_cr4 & BIT(13)) && !vmx_is_on());
	CHECK(list->next == &other.link);	/* nothing is put in order for later */
	list_del(&hw.link);
	INIT_LIST_HEAD(list);
	hw.cpu = other.cpu = -1;

	/* Between VMXON and what is said of it, and between what is said and VMXOFF. */
	CHECK_EQ(hw_enable_cpu(), 0);
	vmx_cpu(0)->on = false;
	hw_crash_cpu();
	CHECK(!vmx_on[0] && !(host_cr4 & BIT(13)));
	CHECK_EQ(vmxoff_faults, 0);

	/* CR4.VMXE is set already, or still. */
	host_cr4 |= BIT(13);
	hw_crash_cpu();
	CHECK(vmxoff_faults == 1 && !(host_cr4 & BIT(13)));
	vmxoff_faults = 0;
	hw_crash_cpu();
	CHECK_EQ(vmxoff_faults, 0);
	hw_vcpu_destroy(&other);
	end();
}

/* Another CPU lacks one thing that the first has and this module uses; or has it otherwise. What isn't used may differ. */
TEST(other_cpus)
{
	static const struct { u32 msr; u64 bits; } rows[] = {
		{ MSR_IA32_VMX_BASIC, 1 }, { MSR_IA32_VMX_MISC, 1 }, { MSR_IA32_VMX_CR0_FIXED0, BIT(5) }, { MSR_IA32_VMX_CR4_FIXED1, X86_CR4_SMEP },
		{ MSR_IA32_VMX_TRUE_PINBASED_CTLS, (u64)PIN_BASED_VMX_PREEMPTION_TIMER << 32 },
		{ MSR_IA32_VMX_TRUE_PROCBASED_CTLS, (u64)CPU_BASED_MONITOR_TRAP_FLAG << 32 },
		{ MSR_IA32_VMX_TRUE_PROCBASED_CTLS, CPU_BASED_RDTSC_EXITING },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_ENABLE_INVPCID << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_TSC_SCALING << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_ENABLE_XSAVES << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_PAUSE_LOOP_EXITING << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_ENABLE_PML << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_DESC << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_APIC_REGISTER_VIRT << 32 },
		{ MSR_IA32_VMX_PROCBASED_CTLS2, (u64)SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY << 32 },
		{ MSR_IA32_VMX_TRUE_EXIT_CTLS, (u64)VM_EXIT_SAVE_DEBUG_CONTROLS << 32 },
		{ MSR_IA32_VMX_EPT_VPID_CAP, VMX_EPT_1GB_PAGE_BIT }, { MSR_IA32_VMX_EPT_VPID_CAP, VMX_EPT_AD_BIT },
		{ MSR_IA32_VMX_EPT_VPID_CAP, VMX_EPT_EXTENT_CONTEXT_BIT },
		{ MSR_IA32_VMX_EPT_VPID_CAP, VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT << 32 },
	};

	begin(NEW);
	CHECK(hw_cpu_compatible());
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		*shim_msr(rows[i].msr) ^= rows[i].bits;
		CHECK(!hw_cpu_compatible());
		*shim_msr(rows[i].msr) ^= rows[i].bits;
	}
	forbid(MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_ENABLE_VMFUNC);
	*shim_msr(MSR_IA32_VMX_MISC) ^= BIT(29);
	CHECK(hw_cpu_compatible());
	end();
}

TEST(vmxon_fails)
{
	host_cpu(NEW);
	CHECK_EQ(hw_setup(), 0);
	vmxon_result = -EIO;
	CHECK_EQ(hw_enable_cpu(), -EIO);
	CHECK(!(host_cr4 & BIT(13)) && !vmx_is_on());
	CHECK_EQ(shim_pt_vmx, 0);
	vmxon_result = 0;
	hw_teardown();
}

TEST(launch_state_and_migration)
{
	struct hw_vcpu other = { };

	begin(NEW);
	CHECK(exit_with(EXIT_REASON_CPUID, 0).kind == EXIT_CPUID && !seen.launched);
	CHECK(exit_with(EXIT_REASON_CPUID, 0).kind == EXIT_CPUID && seen.launched);
	/* Another vCPU on this CPU, and back: both stay active and launched. */
	CHECK_EQ(hw_vcpu_create(&other, &vm), 0);
	hw_load(&other, 0, false);
	CHECK(current_vmcs[0]->pa == virt_to_phys(other.vmcs) && vmcs_at(virt_to_phys(hw.vmcs))->active == 0);
	hw_load(&hw, 0, false);
	vmclears = 0;
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(seen.launched && !vmclears);
	/* To another CPU: cleared where it was (vmclear() checks), launched anew, all translations gone, host state of that CPU. */
	*shim_msr(MSR_GS_BASE) = 0xffff888000001000;
	shim_cpu = 1;
	host_cr4 &= ~BIT(13);
	CHECK_EQ(hw_enable_cpu(), 0);
	shim_cpu = 0;
	hw_put(&hw, true);
	vmcs_clear_here(&hw);		/* what the IPI does */
	shim_cpu = 1;
	*shim_msr(MSR_GS_BASE) = 0xffff888000002000;
	invepts = invvpids = 0;
	hw_load(&hw, 1, true);
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK(hw.cpu == 1 && F(HOST_GS_BASE) == 0xffff888000002000 && F(HOST_GDTR_BASE) == (unsigned long)&gdts[1]);
	CHECK_EQ(F(HOST_TR_BASE), (unsigned long)&entry_area[1].tss);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!seen.launched && invepts == 1 && invvpids == 1 && last_invept == hw.eptp);
	hw_put(&hw, true);
	vmcs_clear_here(&hw);
	hw_disable_cpu();
	shim_cpu = 0;
	hw_vcpu_destroy(&other);
	end();
}

/* A first entry that fails leaves the VMCS clear: the next is a launch again. */
TEST(failed_launch_is_no_launch)
{
	struct hw_exit e;

	begin(NEW);
	e = exit_with(EXIT_REASON_INVALID_STATE | BIT(31), 0);
	CHECK(e.kind == EXIT_ENTRY_FAILED && e.hw_reason == (EXIT_REASON_INVALID_STATE | BIT(31)));
	CHECK(exit_with(EXIT_REASON_CPUID, 0).kind == EXIT_CPUID && !seen.launched);
	e = exit_with(EXIT_REASON_INVALID_STATE | BIT(31), 0);
	CHECK(e.kind == EXIT_ENTRY_FAILED);
	CHECK(exit_with(EXIT_REASON_CPUID, 0).kind == EXIT_CPUID && seen.launched);
	end();
}

/* VMfail: the error in words, once what is broken, and the event is given back. */
TEST(refused_entry)
{
	static const struct { u32 error; const char *words; } rows[] = {
		{ 4, "not clear" }, { 5, "not launched" }, { 7, "control field" }, { 8, "host-state" }, { 26, "MOV SS" },
	};
	struct hw_event ev = { .kind = EVENT_INTR, .vector = 0x30 };
	struct hw_exit e;

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(NEW);
		hw_inject(&hw, &ev);
		memset(&next, 0, sizeof(next));
		next.refuse = rows[i].error;
		said[0] = 0;
		e = enter();
		CHECK(e.kind == EXIT_ENTRY_FAILED && e.hw_reason == rows[i].error);
		CHECK(strstr(said, rows[i].words) && strstr(said, "rule") && strstr(said, "GUEST_CR0"));
		CHECK(e.vectoring.kind == EVENT_INTR && e.vectoring.vector == 0x30);
		/* The rules once per VM; the event isn't delivered a second time. */
		said[0] = 0;
		enter();
		CHECK(strstr(said, rows[i].words) && !strstr(said, "rule") && !strstr(said, "GUEST_CR0"));
		hw_dump(&hw);
		CHECK(!strstr(said, "GUEST_CR0"));
		CHECK_EQ(seen.info & INTR_INFO_VALID_MASK, 0);
		end();
	}
}

/* Reboot has turned VMX off under a vCPU's thread. */
TEST(vmx_off_under_a_vcpu)
{
	begin(NEW);
	exit_with(EXIT_REASON_CPUID, 0);
	hw_disable_cpu();
	said[0] = 0;
	vmcs_read32(GUEST_CS_LIMIT);
	hw_set_cr0(&hw, 0x11);
	hw_flush_tlb_gva(&hw, 0x1000);
	CHECK_EQ(shim_warnings, 0);
	CHECK(!said[0]);
	end();
}

/* ------------------------------------------------------------------ exits, decoded */

TEST(plain_exits)
{
	static const struct { u32 reason; u8 kind; } rows[] = {
		{ EXIT_REASON_EXTERNAL_INTERRUPT, EXIT_INTR }, { EXIT_REASON_TRIPLE_FAULT, EXIT_TRIPLE_FAULT }, { EXIT_REASON_INIT_SIGNAL, EXIT_INTR },
		{ EXIT_REASON_CPUID, EXIT_CPUID }, { EXIT_REASON_HLT, EXIT_HLT }, { EXIT_REASON_INVD, EXIT_INVD }, { EXIT_REASON_WBINVD, EXIT_WBINVD },
		{ EXIT_REASON_INVLPG, EXIT_INVLPG }, { EXIT_REASON_RDPMC, EXIT_RDPMC }, { EXIT_REASON_RDTSC, EXIT_RDTSC },
		{ EXIT_REASON_RDTSCP, EXIT_RDTSCP }, { EXIT_REASON_VMCALL, EXIT_HYPERCALL }, { EXIT_REASON_VMCLEAR, EXIT_VIRT_INSN },
		{ EXIT_REASON_VMLAUNCH, EXIT_VIRT_INSN }, { EXIT_REASON_VMPTRLD, EXIT_VIRT_INSN }, { EXIT_REASON_VMPTRST, EXIT_VIRT_INSN },
		{ EXIT_REASON_VMREAD, EXIT_VIRT_INSN }, { EXIT_REASON_VMRESUME, EXIT_VIRT_INSN }, { EXIT_REASON_VMWRITE, EXIT_VIRT_INSN },
		{ EXIT_REASON_VMOFF, EXIT_VIRT_INSN }, { EXIT_REASON_VMON, EXIT_VIRT_INSN }, { EXIT_REASON_INVEPT, EXIT_VIRT_INSN },
		{ EXIT_REASON_INVVPID, EXIT_VIRT_INSN }, { EXIT_REASON_VMFUNC, EXIT_VIRT_INSN }, { EXIT_REASON_MSR_READ, EXIT_MSR_READ },
		{ EXIT_REASON_MSR_WRITE, EXIT_MSR_WRITE }, { EXIT_REASON_MWAIT_INSTRUCTION, EXIT_MWAIT }, { EXIT_REASON_MONITOR_INSTRUCTION, EXIT_MONITOR },
		{ EXIT_REASON_MONITOR_TRAP_FLAG, EXIT_MTF }, { EXIT_REASON_PAUSE_INSTRUCTION, EXIT_PAUSE },
		{ EXIT_REASON_TPR_BELOW_THRESHOLD, EXIT_TPR_BELOW_THRESHOLD }, { EXIT_REASON_GDTR_IDTR, EXIT_DESC_TABLE },
		{ EXIT_REASON_LDTR_TR, EXIT_DESC_TABLE }, { EXIT_REASON_PREEMPTION_TIMER, EXIT_PREEMPTION_TIMER }, { EXIT_REASON_XSETBV, EXIT_XSETBV },
		{ EXIT_REASON_INVPCID, EXIT_INVPCID }, { EXIT_REASON_PML_FULL, EXIT_PML_FULL }, { EXIT_REASON_XSAVES, EXIT_VIRT_INSN },
		{ EXIT_REASON_XRSTORS, EXIT_VIRT_INSN }, { EXIT_REASON_ENCLS, EXIT_VIRT_INSN }, { EXIT_REASON_RDRAND, EXIT_VIRT_INSN },
		{ EXIT_REASON_RDSEED, EXIT_VIRT_INSN }, { 76, EXIT_VIRT_INSN }, { 77, EXIT_VIRT_INSN }, { 4, EXIT_UNKNOWN }, { 5, EXIT_UNKNOWN }, { 6, EXIT_UNKNOWN }, { 35, EXIT_UNKNOWN },
		{ 42, EXIT_UNKNOWN }, { 79, EXIT_UNKNOWN }, { 80, EXIT_UNKNOWN }, { 0xffff, EXIT_UNKNOWN },
	};

	u64 no_insn = BIT_ULL(EXIT_INTR) | BIT_ULL(EXIT_TRIPLE_FAULT) | BIT_ULL(EXIT_MTF) | BIT_ULL(EXIT_TPR_BELOW_THRESHOLD) |
		      BIT_ULL(EXIT_PREEMPTION_TIMER);

	begin(NEW);
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hw_exit e = exit_with(rows[i].reason, 0);

		CHECK_EQ(e.kind, rows[i].kind);
		CHECK_EQ(e.hw_reason, rows[i].reason);
		CHECK_EQ(e.vectoring.kind, EVENT_NONE);
		CHECK_EQ(e.insn_bytes_len, 0);
		CHECK_EQ(e.insn_len, no_insn & BIT_ULL(e.kind) ? 0 : 2);
	}
	end();
}

TEST(cr_exits)
{
	struct hw_exit e;

	begin(NEW);
	hw_set_reg(&hw, REG_RBX, 0x1234);
	e = exit_with(EXIT_REASON_CR_ACCESS, 4 | REG_RBX << 8);
	CHECK(e.kind == EXIT_CR_WRITE && e.cr.nr == 4 && e.cr.reg == REG_RBX && e.cr.operand_known && e.cr.value == 0x1234);
	e = exit_with(EXIT_REASON_CR_ACCESS, 8 | 1 << 4 | REG_R9 << 8);
	CHECK(e.kind == EXIT_CR_READ && e.cr.nr == 8 && e.cr.reg == REG_R9);
	CHECK_EQ(exit_with(EXIT_REASON_CR_ACCESS, 2 << 4).kind, EXIT_CLTS);
	e = exit_with(EXIT_REASON_CR_ACCESS, 3 << 4 | 0xbeef0000);
	CHECK(e.kind == EXIT_LMSW && e.cr.value == 0xbeef && e.cr.operand_known);
	/* RSP is in the VMCS. */
	hw_set_reg(&hw, REG_RSP, 0x7777);
	e = exit_with(EXIT_REASON_CR_ACCESS, 0 | REG_RSP << 8);
	CHECK_EQ(e.cr.value, 0x7777);
	e = exit_with(EXIT_REASON_DR_ACCESS, 7 | BIT(4) | REG_R15 << 8);
	CHECK(e.kind == EXIT_DR_READ && e.dr.nr == 7 && e.dr.reg == REG_R15);
	e = exit_with(EXIT_REASON_DR_ACCESS, 0 | REG_RCX << 8);
	CHECK(e.kind == EXIT_DR_WRITE && e.dr.nr == 0 && e.dr.reg == REG_RCX);
	end();
}

TEST(io_exits)
{
	struct hw_exit e;

	begin(NEW);
	hw_set_rip(&hw, 0x1000);
	e = exit_with(EXIT_REASON_IO_INSTRUCTION, 0x3f8 << 16);
	CHECK(e.kind == EXIT_IO && e.io.port == 0x3f8 && e.io.size == 1 && e.io.out && !e.io.string && e.insn_len == 2);
	e = exit_with(EXIT_REASON_IO_INSTRUCTION, 0xcfcull << 16 | 3 | BIT(3));
	CHECK(e.io.port == 0xcfc && e.io.size == 4 && !e.io.out);
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_IO_INSTRUCTION;
	next.qual = 0x1f0 << 16 | 1 | BIT(4) | BIT(5);
	next.insn_info = SEG_FS << 15;
	e = enter();
	CHECK(e.io.size == 2 && e.io.string && e.io.rep && e.io.seg == SEG_FS);
	end();
}

TEST(npf_exits)
{
	struct hw_exit e;

	begin(NEW);
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_EPT_VIOLATION;
	next.gpa = 0x123456789;
	next.qual = BIT(0) | BIT(7) | BIT(8);
	e = enter();
	CHECK(e.kind == EXIT_NPF && e.npf.gpa == 0x123456789 && e.npf.access == ACCESS_READ && !e.npf.present && !e.npf.in_walk);
	next.qual = BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(7);
	e = enter();
	CHECK(e.npf.access == ACCESS_WRITE && e.npf.present && e.npf.in_walk);
	next.qual = BIT(2);
	e = enter();
	CHECK(e.npf.access == ACCESS_FETCH && !e.npf.in_walk);
	next.reason = EXIT_REASON_EPT_MISCONFIG;
	e = enter();
	CHECK(e.kind == EXIT_NPF_MISCONFIG && e.npf.gpa == 0x123456789);
	end();
}

/* The hint reads all at once, nothing twice, and nothing over what was changed since the exit. */
TEST(expected_mov)
{
	u64 *field;

	begin(NEW);
	field = current_vmcs[shim_cpu]->field;
	exit_with(EXIT_REASON_EPT_VIOLATION, BIT(0));
	field[GUEST_RIP] = 0x1234;
	field[GUEST_RFLAGS] = X86_EFLAGS_FIXED | X86_EFLAGS_IF;
	field[GUEST_INTERRUPTIBILITY_INFO] = GUEST_INTR_STATE_STI;
	field[GUEST_CR3] = 0x5000;
	hw_expect_mov(&hw);
	vmreads = 0;
	CHECK(hw_rip(&hw) == 0x1234 && hw_rflags(&hw) == (X86_EFLAGS_FIXED | X86_EFLAGS_IF) && hw_shadow(&hw) == SHADOW_STI &&
	      hw_cr3(&hw) == 0x5000);
	CHECK_EQ(vmreads, 0);
	/* IRET in the middle: NMIs are blocked again. */
	exit_with(EXIT_REASON_EPT_VIOLATION, BIT(12));
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_RF);
	field[GUEST_RFLAGS] = X86_EFLAGS_FIXED;
	field[GUEST_CR3] = 0x6000;
	hw_expect_mov(&hw);
	CHECK(hw_nmi_masked(&hw) && hw_rflags(&hw) == (X86_EFLAGS_FIXED | X86_EFLAGS_RF) && hw_cr3(&hw) == 0x6000);
	end();
}

TEST(exception_exits)
{
	struct hw_exit e;

	begin(NEW);
	e = exit_exception(INTR_TYPE_HARD_EXCEPTION | INTR_INFO_DELIVER_CODE_MASK | 14, 6, 0x5000);
	CHECK(e.kind == EXIT_EXCEPTION && e.event.kind == EVENT_EXCEPTION && e.event.vector == 14 && e.event.has_error && e.event.error == 6 &&
	      e.qual == 0x5000);
	e = exit_exception(INTR_TYPE_HARD_EXCEPTION | 6, 0x55, 0);
	CHECK(e.event.vector == 6 && !e.event.has_error && !e.event.error);
	e = exit_exception(INTR_TYPE_SOFT_EXCEPTION | 3, 0, 0);
	CHECK(e.event.kind == EVENT_SOFT_EXCEPTION && e.event.insn_len == 1);
	/* #DB: what DR6 would get, and no more. */
	e = exit_exception(INTR_TYPE_HARD_EXCEPTION | 1, 0, ~0ull);
	CHECK_EQ(e.qual, 0x600f);
	/* INT1 is a trap whose RIP we move ourselves. */
	hw_set_rip(&hw, 0x2000);
	e = exit_exception(INTR_TYPE_PRIV_SW_EXCEPTION | 1, 0, 0);
	CHECK_EQ(hw_rip(&hw), 0x2001);
	end();
}

/* The host's own: at once, exactly once, and the guest never hears of it. */
TEST(host_nmi_and_machine_check)
{
	struct hw_exit e;

	begin(NEW);
	host_nmis = machine_checks = 0;
	e = exit_exception(INTR_TYPE_NMI_INTR | 2, 0, 0);
	CHECK(e.kind == EXIT_NMI && host_nmis == 1);
	CHECK_EQ(exit_with(EXIT_REASON_CPUID, 0).kind, EXIT_CPUID);
	CHECK_EQ(host_nmis, 1);
	e = exit_exception(INTR_TYPE_HARD_EXCEPTION | 18, 0, 0);
	CHECK(e.kind == EXIT_NMI && machine_checks == 1 && host_nmis == 1);
	e = exit_with(EXIT_REASON_MCE_DURING_VMENTRY | BIT(31), 0);
	CHECK(e.kind == EXIT_NMI && machine_checks == 2);
	end();
}

TEST(task_switch_exits)
{
	static const u8 reasons[] = { 0, 1, 2, 3 };
	struct hw_exit e;

	begin(NEW);
	for (u64 i = 0; i < 4; i++) {
		e = exit_with(EXIT_REASON_TASK_SWITCH, 0x28 | i << 30);
		CHECK(e.kind == EXIT_TASK_SWITCH && e.task.selector == 0x28 && e.task.reason == reasons[i] && !e.task.has_error);
	}
	next.vectoring = VECTORING_INFO_VALID_MASK | VECTORING_INFO_DELIVER_CODE_MASK | INTR_TYPE_HARD_EXCEPTION | 13;
	next.vectoring_error = 0x18;
	e = enter();
	CHECK(e.task.has_error && e.task.error == 0x18 && e.vectoring.kind == EVENT_EXCEPTION && e.vectoring.vector == 13);
	end();
}

/* ------------------------------------------------------------------ events */

TEST(injection)
{
	static const struct { struct hw_event ev; u32 info; u32 len; } rows[] = {
		{ { .kind = EVENT_INTR, .vector = 0x30 }, 0x80000030 },
		{ { .kind = EVENT_NMI }, 0x80000202 },
		{ { .kind = EVENT_EXCEPTION, .vector = 6 }, 0x80000306 },
		{ { .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 7 }, 0x80000b0e },
		{ { .kind = EVENT_SOFT_INTR, .vector = 0x80, .insn_len = 2 }, 0x80000480, 2 },
		{ { .kind = EVENT_SOFT_EXCEPTION, .vector = 3, .insn_len = 1 }, 0x80000603, 1 },
		{ { .kind = EVENT_PRIV_EXCEPTION, .vector = 1, .insn_len = 1 }, 0x80000501, 1 },
		/* Without an instruction of its own it is a hardware event. */
		{ { .kind = EVENT_SOFT_EXCEPTION, .vector = 3 }, 0x80000303 },
		{ { .kind = EVENT_SOFT_INTR, .vector = 0x80 }, 0x80000080 },
	};

	begin(NEW);
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		hw_inject(&hw, &rows[i].ev);
		exit_with(EXIT_REASON_CPUID, 0);
		CHECK_EQ(seen.info, rows[i].info);
		if (rows[i].ev.has_error)
			CHECK_EQ(seen.error, rows[i].ev.error);
		if (rows[i].len)
			CHECK_EQ(seen.insn_len, rows[i].len);
		/* Once. */
		exit_with(EXIT_REASON_CPUID, 0);
		CHECK_EQ(seen.info & INTR_INFO_VALID_MASK, 0);
	}
	hw_inject(&hw, &rows[0].ev);
	CHECK_EQ(hw_cancel_injection(&hw).vector, 0x30);
	CHECK_EQ(hw_cancel_injection(&hw).kind, EVENT_NONE);
	hw_inject_intr(&hw, 0x41);
	CHECK_EQ(hw_cancel_injection(&hw).vector, 0x41);
	hw_inject_intr(&hw, 0x41);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(hw_cancel_injection(&hw).kind, EVENT_NONE);	/* it was delivered */
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(seen.info & INTR_INFO_VALID_MASK, 0);
	hw_inject(&hw, &rows[0].ev);
	hw_inject(&hw, &(struct hw_event){ });
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(seen.info & INTR_INFO_VALID_MASK, 0);
	end();
}

/* Every kind of event whose delivery an exit interrupts comes back as it was, and can go in again as it is. */
TEST(interrupted_delivery)
{
	static const struct { u32 info; u8 kind; } rows[] = {
		{ INTR_TYPE_EXT_INTR | 0x31, EVENT_INTR }, { INTR_TYPE_NMI_INTR | 2, EVENT_NMI }, { INTR_TYPE_HARD_EXCEPTION | 6, EVENT_EXCEPTION },
		{ INTR_TYPE_HARD_EXCEPTION | INTR_INFO_DELIVER_CODE_MASK | 13, EVENT_EXCEPTION }, { INTR_TYPE_SOFT_INTR | 0x80, EVENT_SOFT_INTR },
		{ INTR_TYPE_SOFT_EXCEPTION | 4, EVENT_SOFT_EXCEPTION }, { INTR_TYPE_PRIV_SW_EXCEPTION | 1, EVENT_PRIV_EXCEPTION },
	};
	static const u32 reasons[] = { EXIT_REASON_EPT_VIOLATION, EXIT_REASON_APIC_ACCESS };
	struct hw_exit e;

	begin(NEW);
	for (int i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const typeof(rows[0]) *row = &rows[i / 2];

		memset(&next, 0, sizeof(next));
		next.reason = reasons[i & 1];
		next.insn_len = 2;
		next.vectoring = row->info | VECTORING_INFO_VALID_MASK;
		next.vectoring_error = 0x18;
		if (row->kind == EVENT_NMI)
			hw_set_nmi_masked(&hw, true);
		e = enter();
		CHECK(e.vectoring.kind == row->kind && e.vectoring.vector == (row->info & 0xff));
		CHECK_EQ(e.vectoring.has_error, !!(row->info & INTR_INFO_DELIVER_CODE_MASK));
		CHECK_EQ(e.vectoring.error, e.vectoring.has_error ? 0x18 : 0);
		CHECK(!hw_nmi_masked(&hw));
		hw_inject(&hw, &e.vectoring);
		exit_with(EXIT_REASON_CPUID, 0);
		CHECK_EQ(seen.info, row->info | INTR_INFO_VALID_MASK);
	}
	/* The others come when all is delivered (SDM 3C, 28.2.4): what the field says then is nothing. */
	memset(&next, 0, sizeof(next));
	next.vectoring = rows[0].info | VECTORING_INFO_VALID_MASK;
	next.reason = EXIT_REASON_EXTERNAL_INTERRUPT;
	CHECK_EQ(enter().vectoring.kind, EVENT_NONE);
	next.reason = EXIT_REASON_IO_INSTRUCTION;
	CHECK_EQ(enter().vectoring.kind, EVENT_NONE);
	end();
}

/* IRET unblocked NMIs, and then faulted: blocked again, unless the fault came while something else was delivered (SDM 3C, 28.2.3). */
TEST(nmi_unblocked_by_iret)
{
	static const u32 qual_reasons[] = { EXIT_REASON_EPT_VIOLATION, EXIT_REASON_PML_FULL };

	begin(NEW);
	for (int i = 0; i < ARRAY_SIZE(qual_reasons); i++) {
		exit_with(qual_reasons[i], BIT(12));
		CHECK(hw_nmi_masked(&hw));
		hw_set_nmi_masked(&hw, false);
		next.vectoring = VECTORING_INFO_VALID_MASK | INTR_TYPE_HARD_EXCEPTION | 6;
		enter();
		CHECK(!hw_nmi_masked(&hw));
	}
	exit_exception(INTR_TYPE_HARD_EXCEPTION | INTR_INFO_UNBLOCK_NMI | 14, 0, 0);
	CHECK(hw_nmi_masked(&hw));
	hw_set_nmi_masked(&hw, false);
	/* For a double fault the bit means nothing. */
	exit_exception(INTR_TYPE_HARD_EXCEPTION | INTR_INFO_UNBLOCK_NMI | 8, 0, 0);
	CHECK(!hw_nmi_masked(&hw));
	end();
}

TEST(shadows)
{
	begin(NEW);
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_IF);
	CHECK(hw_intr_allowed(&hw) && hw_nmi_allowed(&hw));
	hw_set_shadow(&hw, SHADOW_STI);
	CHECK(!hw_intr_allowed(&hw) && hw_shadow(&hw) == SHADOW_STI);
	/* Both is not a state that entry takes. */
	hw_set_shadow(&hw, SHADOW_STI | SHADOW_MOV_SS);
	CHECK(hw_shadow(&hw) == SHADOW_MOV_SS && !hw_nmi_allowed(&hw));
	hw_set_nmi_masked(&hw, true);
	hw_set_shadow(&hw, SHADOW_NONE);
	CHECK(hw_intr_allowed(&hw) && !hw_nmi_allowed(&hw) && hw_nmi_masked(&hw));
	hw_set_nmi_masked(&hw, false);
	hw_set_rflags(&hw, X86_EFLAGS_FIXED);
	CHECK(!hw_intr_allowed(&hw) && hw_nmi_allowed(&hw));
	/* In a shadow a pending step goes with TF. */
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_TF);
	hw_set_shadow(&hw, SHADOW_MOV_SS);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(seen.interruptibility == GUEST_INTR_STATE_MOV_SS && (seen.pending_debug & DR_STEP));
	hw_set_rflags(&hw, X86_EFLAGS_FIXED);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.pending_debug & DR_STEP));
	end();
}

TEST(windows)
{
	begin(NEW);
	hw_request_intr_window(&hw);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(seen.proc & CPU_BASED_INTR_WINDOW_EXITING);
	CHECK_EQ(exit_with(EXIT_REASON_INTERRUPT_WINDOW, 0).kind, EXIT_INTR_WINDOW);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.proc & CPU_BASED_INTR_WINDOW_EXITING));
	hw_set_nmi_masked(&hw, true);
	hw_request_nmi_window(&hw);
	exit_with(EXIT_REASON_NMI_WINDOW, 0);
	CHECK(seen.proc & CPU_BASED_NMI_WINDOW_EXITING);
	hw_set_nmi_masked(&hw, false);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.proc & CPU_BASED_NMI_WINDOW_EXITING));
	/* Behind STI: the interrupt window, which opens when that shadow is over. */
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_IF);
	hw_set_shadow(&hw, SHADOW_STI);
	hw_request_nmi_window(&hw);
	exit_with(EXIT_REASON_INTERRUPT_WINDOW, 0);
	CHECK((seen.proc & CPU_BASED_INTR_WINDOW_EXITING) && !(seen.proc & CPU_BASED_NMI_WINDOW_EXITING));
	end();
}

TEST(single_step)
{
	begin(OLD);
	hw_set_single_step(&hw, true);
	exit_exception(INTR_TYPE_HARD_EXCEPTION | 1, 0, DR_STEP);
	CHECK((seen.rflags & X86_EFLAGS_TF) && !(hw_rflags(&hw) & X86_EFLAGS_TF));
	/* The guest's own TF stays its own. */
	hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_TF);
	exit_exception(INTR_TYPE_HARD_EXCEPTION | 1, 0, DR_STEP);
	CHECK(hw_rflags(&hw) & X86_EFLAGS_TF);
	hw_set_rflags(&hw, X86_EFLAGS_FIXED);
	hw_set_single_step(&hw, false);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.rflags & X86_EFLAGS_TF));
	end();
}

/* Behind STI the monitor trap flag steps, and the shadow stays; without it the shadow goes. */
TEST(single_step_behind_sti)
{
	struct hw_exit e;

	for (int model = OLD; model <= NEW; model++) {
		begin(model);
		hw_set_rflags(&hw, X86_EFLAGS_FIXED | X86_EFLAGS_IF);
		hw_set_shadow(&hw, SHADOW_STI);
		hw_set_single_step(&hw, true);
		e = model == NEW ? exit_with(EXIT_REASON_MONITOR_TRAP_FLAG, 0) : exit_exception(INTR_TYPE_HARD_EXCEPTION | 1, 0, DR_STEP);
		CHECK(e.kind == EXIT_EXCEPTION && e.event.vector == 1 && e.qual == DR_STEP);
		CHECK_EQ(!!(seen.proc & CPU_BASED_MONITOR_TRAP_FLAG), model == NEW);
		CHECK_EQ(!!(seen.rflags & X86_EFLAGS_TF), model == OLD);
		CHECK_EQ(seen.interruptibility, model == NEW ? GUEST_INTR_STATE_STI : 0);
		CHECK(!(F(CPU_BASED_VM_EXEC_CONTROL) & CPU_BASED_MONITOR_TRAP_FLAG) && !(hw_rflags(&hw) & X86_EFLAGS_TF));
		end();
	}
}

/* ------------------------------------------------------------------ guest state: read when asked, written once */

TEST(lazy_state)
{
	begin(NEW);
	exit_with(EXIT_REASON_CPUID, 0);
	vmreads = vmwrites = 0;
	exit_with(EXIT_REASON_CPUID, 0);
	/* Reason, length, RIP, RFLAGS, interruptibility: nothing else is read, and nothing written. */
	CHECK_EQ(vmreads, 5);
	CHECK_EQ(vmwrites, 0);
	/* So they are known, and stay so. */
	hw_set_rip(&hw, hw_rip(&hw) + 2);
	hw_set_shadow(&hw, SHADOW_NONE);
	CHECK(hw_rip(&hw) == F(GUEST_RIP) && !(hw_rflags(&hw) & X86_EFLAGS_TF));
	CHECK(vmreads == 5 && vmwrites == 1);
	hw_set_rflags(&hw, hw_rflags(&hw) | X86_EFLAGS_RF);
	CHECK_EQ(vmwrites, 1);
	vmreads = 0;
	exit_with(EXIT_REASON_EXTERNAL_INTERRUPT, 0);
	CHECK(vmreads == 1 && vmwrites == 2 && (F(GUEST_RFLAGS) & X86_EFLAGS_RF));
	CHECK(hw_rip(&hw) && hw_rip(&hw) && vmreads == 2);
	/* The host moved to another address space, and back. */
	vmwrites = 0;
	host_cr3 ^= 0x8000;
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(vmwrites == 1 && F(HOST_CR3) == host_cr3);
	host_cr4 ^= X86_CR4_PCE;
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(vmwrites == 2 && F(HOST_CR4) == host_cr4);
	host_cr4 ^= X86_CR4_PCE;
	end();
}

static void guest_clears_ts(void)
{
	F(GUEST_CR0) &= ~X86_CR0_TS;
	F(GUEST_CR4) |= X86_CR4_PGE;
	F(GUEST_CR3) = 0x7000;
	F(GUEST_RSP) = 0x6000;
}

TEST(control_registers)
{
	begin(NEW);
	/* RESET: caches off as far as the guest sees. NE is VMX's. */
	CHECK_EQ(hw_cr0(&hw), 0x60000010);
	CHECK_EQ(F(GUEST_CR0) & (X86_CR0_CD | X86_CR0_NW | X86_CR0_NE), X86_CR0_NE);
	hw_set_cr0(&hw, X86_CR0_PE | X86_CR0_TS);
	CHECK_EQ(F(CR0_READ_SHADOW), X86_CR0_PE | X86_CR0_TS | X86_CR0_ET);
	CHECK_EQ(F(GUEST_CR0) & ~vmx_config.fixed.cr0_fixed1, 0);
	hw_set_cr4(&hw, X86_CR4_PAE);
	CHECK(hw_cr4(&hw) == X86_CR4_PAE && (F(GUEST_CR4) & BIT(13)) && (F(GUEST_CR4) & X86_CR4_MCE) && F(CR4_READ_SHADOW) == X86_CR4_PAE);
	/* Bits that are the guest's own are read back, and so is all that needs no exit to change. */
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_CPUID;
	next.guest = guest_clears_ts;
	enter();
	CHECK_EQ(hw_cr0(&hw), X86_CR0_PE | X86_CR0_ET);
	CHECK_EQ(hw_cr4(&hw), X86_CR4_PAE | X86_CR4_PGE);
	CHECK(hw_cr3(&hw) == 0x7000 && hw_reg(&hw, REG_RSP) == 0x6000);
	hw_set_cr3(&hw, 0x9000);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(F(GUEST_CR3), 0x9000);
	hw_set_pdptrs(&hw, (u64[]){ 1, 2, 3, 4 });
	CHECK(F(GUEST_PDPTR0) == 1 && F(GUEST_PDPTR3) == 4);
	end();
}

/* CR4.UMIP on a CPU without: it stays clear there, and the instructions exit. */
TEST(umip)
{
	begin(NEW);
	CHECK(hw_caps.emulated_umip);
	hw_set_cr4(&hw, X86_CR4_PAE | X86_CR4_UMIP);
	CHECK(!(F(GUEST_CR4) & X86_CR4_UMIP) && (F(CR4_READ_SHADOW) & X86_CR4_UMIP) && hw_cr4(&hw) == (X86_CR4_PAE | X86_CR4_UMIP));
	CHECK(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_DESC);
	hw_set_cr4(&hw, X86_CR4_PAE);
	CHECK(!(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_DESC));
	end();
	shim_cpu_caps[X86_FEATURE_UMIP / 32] |= BIT(X86_FEATURE_UMIP % 32);
	begin(NEW);
	hw_set_cr4(&hw, X86_CR4_UMIP);
	CHECK((F(GUEST_CR4) & X86_CR4_UMIP) && !(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_DESC));
	end();
	shim_cpu_caps[X86_FEATURE_UMIP / 32] &= ~BIT(X86_FEATURE_UMIP % 32);
	begin(OLD);
	CHECK(!hw_caps.emulated_umip);
	end();
}

TEST(cr2_is_switched)
{
	begin(NEW);
	host_cr2 = 0x1111;
	hw_set_cr2(&hw, 0x2222);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(host_cr2, 0x2222);
	host_cr2 = 0x3333;		/* as if the guest had faulted */
	end();
}

TEST(long_mode_entry)
{
	begin(NEW);
	hw_set_segment(&hw, SEG_TR, &(struct kvm_segment){ .type = 3, .present = 1, .limit = 0x67 });
	hw_set_efer(&hw, EFER_LME | EFER_LMA);
	CHECK(F(VM_ENTRY_CONTROLS) & VM_ENTRY_IA32E_MODE);
	CHECK_EQ(F(GUEST_TR_AR_BYTES) & 15, 11);
	hw_set_efer(&hw, EFER_LME);
	CHECK(!(F(VM_ENTRY_CONTROLS) & VM_ENTRY_IA32E_MODE) && F(GUEST_IA32_EFER) == EFER_LME && hw_efer(&hw) == EFER_LME);
	end();
}

/* RFLAGS has no bit that entry would refuse, whatever it is set to. */
TEST(rflags)
{
	begin(NEW);
	hw_set_rflags(&hw, ~0ull);
	CHECK_EQ(hw_rflags(&hw), 0x3f7fd7);
	hw_set_rflags(&hw, 0);
	CHECK_EQ(hw_rflags(&hw), 2);
	end();
}

/* ------------------------------------------------------------------ segments */

TEST(segments_round_trip)
{
	struct kvm_segment in, out;

	begin(NEW);
	for (enum seg s = SEG_ES; s < NR_SEGS; s++) {
		in = (struct kvm_segment){ .base = 0x1000 + s, .limit = 0xfffff, .selector = 8 * s, .type = s >= SEG_LDTR ? 2 + 9 * (s == SEG_TR) : 3,
			.present = 1, .dpl = 3, .db = 1, .s = s < SEG_LDTR, .avl = 1, .g = 0 };
		hw_set_segment(&hw, s, &in);
		hw_get_segment(&hw, s, &out);
		CHECK_MEM(&in, &out, sizeof(in));
	}
	CHECK_EQ(hw_cpl(&hw), 3);
	end();
}

/* What entry would refuse is made good where the ABI lets a VMM be careless: an accessed bit, a G bit that doesn't go with the limit. */
TEST(segments_made_good)
{
	struct kvm_segment in = { .type = 2, .s = 1, .present = 1, .limit = 0xfffff123, .g = 0 }, out;

	begin(NEW);
	hw_set_segment(&hw, SEG_DS, &in);
	CHECK_EQ(F(GUEST_DS_AR_BYTES) & 1, 1);
	CHECK(F(GUEST_DS_AR_BYTES) & VMX_AR_G_MASK);
	in.limit = 0x123;
	in.g = 1;
	hw_set_segment(&hw, SEG_DS, &in);
	CHECK(!(F(GUEST_DS_AR_BYTES) & VMX_AR_G_MASK));
	/* Not present, or said to be unusable: unusable, but its DPL (CPL, in SS) is kept. */
	in.present = 0;
	in.dpl = 3;
	hw_set_segment(&hw, SEG_SS, &in);
	CHECK(F(GUEST_SS_AR_BYTES) & VMX_AR_UNUSABLE_MASK);
	hw_get_segment(&hw, SEG_SS, &out);
	CHECK(out.unusable && !out.present && out.dpl == 3 && hw_cpl(&hw) == 3);
	in.present = 1;
	in.unusable = 1;
	hw_set_segment(&hw, SEG_FS, &in);
	CHECK(F(GUEST_FS_AR_BYTES) & VMX_AR_UNUSABLE_MASK);
	/* There is no unusable TR. */
	hw_set_segment(&hw, SEG_TR, &(struct kvm_segment){ .type = 3, .unusable = 1 });
	CHECK_EQ(F(GUEST_TR_AR_BYTES) & (VMX_AR_UNUSABLE_MASK | VMX_AR_P_MASK), VMX_AR_P_MASK);
	end();
}

TEST(descriptor_tables)
{
	struct kvm_dtable in = { .base = 0x1234, .limit = 0x567 }, out;

	begin(NEW);
	hw_set_gdt(&hw, &in);
	hw_get_gdt(&hw, &out);
	CHECK(out.base == 0x1234 && out.limit == 0x567);
	in.limit = 0x89;
	hw_set_idt(&hw, &in);
	hw_get_idt(&hw, &out);
	CHECK(out.base == 0x1234 && out.limit == 0x89);
	end();
}

/* ------------------------------------------------------------------ MSRs */

TEST(msrs)
{
	static const u32 held[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE, MSR_FS_BASE, MSR_GS_BASE, MSR_IA32_SYSENTER_CS,
		MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_CR_PAT, MSR_TSC_AUX, MSR_IA32_SPEC_CTRL };
	u64 val;

	begin(NEW);
	for (int loaded = 0; loaded < 2; loaded++) {
		for (int i = 0; i < ARRAY_SIZE(held); i++)
			CHECK_EQ(hw_set_msr(&hw, held[i], 0x100 * loaded + i), 0);
		for (int i = 0; i < ARRAY_SIZE(held); i++) {
			CHECK_EQ(hw_get_msr(&hw, held[i], &val), 0);
			CHECK_EQ(val, 0x100 * loaded + i);
		}
		hw_put(&hw, false);
		if (!loaded)
			hw_prepare_guest_switch(&hw, current->tif);
	}
	CHECK_EQ(hw_get_msr(&hw, MSR_EFER, &val), -ENOENT);
	CHECK_EQ(hw_set_msr(&hw, MSR_IA32_XSS, 0), -ENOENT);
	end();
}

/* The host's come back when the thread leaves the vCPU, and what the guest wrote without an exit is known. */
TEST(host_msrs)
{
	u64 val;

	host_cpu(NEW);
	*shim_msr(MSR_LSTAR) = 0xffff1111;
	*shim_msr(MSR_STAR) = 0x23001000000000;
	begin(NEW);
	*shim_msr(MSR_KERNEL_GS_BASE) = 0x77;
	hw_put(&hw, false);
	hw_set_msr(&hw, MSR_LSTAR, 0x2222);
	hw_set_msr(&hw, MSR_STAR, 0x23001000000000);
	*shim_msr(MSR_KERNEL_GS_BASE) = 0x88;
	hw_prepare_guest_switch(&hw, current->tif);
	/* Without SYSCALL the guest needs none of its MSRs; with it, those that are not the host's anyway. */
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0xffff1111);
	hw_set_efer(&hw, EFER_SCE);
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0x2222);
	hw_set_msr(&hw, MSR_LSTAR, 0x3333);
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0x3333);
	hw_set_msr(&hw, MSR_SYSCALL_MASK, 0x200);
	CHECK_EQ(*shim_msr(MSR_SYSCALL_MASK), 0x200);
	hw_set_efer(&hw, 0);
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0xffff1111);
	CHECK_EQ(*shim_msr(MSR_SYSCALL_MASK), 0);
	hw_set_efer(&hw, EFER_SCE);
	hw_put(&hw, false);
	CHECK(*shim_msr(MSR_LSTAR) == 0xffff1111 && *shim_msr(MSR_KERNEL_GS_BASE) == 0x88 && *shim_msr(MSR_SYSCALL_MASK) == 0);
	hw_set_msr(&hw, MSR_LSTAR, 0x2222);
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0xffff1111);
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK_EQ(*shim_msr(MSR_LSTAR), 0x2222);
	CHECK_EQ(*shim_msr(MSR_STAR), 0x23001000000000);
	CHECK_EQ(*shim_msr(MSR_KERNEL_GS_BASE), 0x77);
	*shim_msr(MSR_KERNEL_GS_BASE) = 0x99;		/* the guest's WRMSR or SWAPGS */
	CHECK(!hw_get_msr(&hw, MSR_KERNEL_GS_BASE, &val) && val == 0x99);
	hw_put(&hw, false);
	CHECK(*shim_msr(MSR_LSTAR) == 0xffff1111 && *shim_msr(MSR_KERNEL_GS_BASE) == 0x88 && *shim_msr(MSR_STAR) == 0x23001000000000);
	CHECK(!hw_get_msr(&hw, MSR_KERNEL_GS_BASE, &val) && val == 0x99);
	end();
	*shim_msr(MSR_LSTAR) = *shim_msr(MSR_STAR) = 0;
}

static void exit_clears_debugctl(void)
{
	*shim_msr(MSR_IA32_DEBUGCTLMSR) = 0;
}

TEST(host_debugctl)
{
	begin(NEW);
	*shim_msr(MSR_IA32_DEBUGCTLMSR) = 0x801;
	hw_load(&hw, 0, false);
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_CPUID;
	next.guest = exit_clears_debugctl;
	enter();
	CHECK_EQ(*shim_msr(MSR_IA32_DEBUGCTLMSR), 0x801);
	*shim_msr(MSR_IA32_DEBUGCTLMSR) = 0;
	hw_load(&hw, 0, false);
	CHECK_EQ(hw.work & WORK_DEBUGCTL, 0);
	end();
}

TEST(host_segments)
{
	begin(NEW);
	hw_put(&hw, false);
	host_ds = host_es = 0x2b;
	host_fs = 0x53;
	host_gs = 0x5b;
	*shim_msr(MSR_FS_BASE) = 0x7000;
	gs_loads = 0;
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK_EQ(F(HOST_FS_BASE), 0x7000);
	host_ds = host_es = host_fs = host_gs = 0;	/* a VM exit */
	*shim_msr(MSR_FS_BASE) = 0;
	__tss_limit_invalid[shim_cpu] = false;
	hw_put(&hw, false);
	CHECK(host_ds == 0x2b && host_es == 0x2b && host_fs == 0x53 && host_gs == 0x5b && gs_loads == 1 && __tss_limit_invalid[shim_cpu] && !tss_reloads);
	CHECK_EQ(*shim_msr(MSR_FS_BASE), 0x7000);
	host_ds = host_es = host_fs = host_gs = 0;
	/* A thread with ports of its own needs TR's limit at once. */
	hw_prepare_guest_switch(&hw, current->tif);
	current->tif |= 1ul << TIF_IO_BITMAP;
	hw_put(&hw, false);
	CHECK_EQ(tss_reloads, 1);
	current->tif = 0;
	end();
}

TEST(msr_bitmap)
{
	begin(NEW);
	CHECK(msr_bit(0x1fff) == 0x1fff && msr_bit(0xc0000000) == 0x2000 && msr_bit(0xc0001fff) == 0x3fff);
	CHECK(msr_bit(0x2000) == -1 && msr_bit(0xbfffffff) == -1 && msr_bit(0xc0002000) == -1 && msr_bit(~0u) == -1);
	/* Passes: what the VMCS switches, and what is in the CPU. Everything else exits. */
	for (u32 msr = 0; msr < 0x2000; msr++) {
		bool open = msr == MSR_IA32_SYSENTER_CS || msr == MSR_IA32_SYSENTER_ESP || msr == MSR_IA32_SYSENTER_EIP;

		CHECK_EQ(test_bit(msr, hw.msr_bitmap), !open);
		CHECK_EQ(test_bit(msr + 0x4000, hw.msr_bitmap), !open);
	}
	for (u32 msr = 0xc0000000; msr < 0xc0002000; msr++) {
		bool open = msr == MSR_FS_BASE || msr == MSR_GS_BASE || msr == MSR_KERNEL_GS_BASE;

		CHECK_EQ(test_bit(msr_bit(msr), hw.msr_bitmap), !open);
		CHECK_EQ(test_bit(msr_bit(msr) + 0x4000, hw.msr_bitmap), !open);
	}
	hw_set_msr_intercept(&hw, MSR_IA32_SPEC_CTRL, 0);
	CHECK(hw.spec_ctrl_open && !test_bit(MSR_IA32_SPEC_CTRL, hw.msr_bitmap));
	hw_set_msr_intercept(&hw, MSR_IA32_SPEC_CTRL, ACCESS_READ | ACCESS_WRITE);
	CHECK(!hw.spec_ctrl_open && test_bit(MSR_IA32_SPEC_CTRL + 0x4000, hw.msr_bitmap));
	hw_set_msr_intercept(&hw, 0x40000000, 0);
	end();
}

/* ------------------------------------------------------------------ the host's counters */

static u64 pebs_in_guest;

static void guest_counts(void)
{
	struct vmx_perf_msrs *lists = hw.perf_msrs;

	pebs_in_guest = *shim_msr(MSR_IA32_PEBS_ENABLE);
	/* As the CPU does it. */
	for (u32 i = 0; i < F(VM_EXIT_MSR_LOAD_COUNT); i++)
		*shim_msr(lists->exit[i].index) = lists->exit[i].value;
}

TEST(host_counters)
{
	begin(NEW);
	CHECK(!hw.perf_msrs && !F(VM_ENTRY_MSR_LOAD_COUNT) && !F(VM_EXIT_MSR_LOAD_COUNT));
	end();
	host_perf_nr = 1;
	begin(NEW);
	CHECK(hw.perf_msrs && F(VM_ENTRY_MSR_LOAD_ADDR) == virt_to_phys(hw.perf_msrs->entry) && F(VM_EXIT_MSR_LOAD_ADDR) == virt_to_phys(hw.perf_msrs->exit));
	/* Nothing is counted, or on both sides alike. */
	host_perf[0] = (struct perf_guest_switch_msr){ MSR_CORE_PERF_GLOBAL_CTRL, 0xf, 0xf };
	host_perf_nr = 1;
	hw_prepare_guest_switch(&hw, current->tif);
	vmwrites = 0;
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK(!vmwrites && !F(VM_ENTRY_MSR_LOAD_COUNT) && !F(VM_EXIT_MSR_LOAD_COUNT));
	/* In the host alone, and precisely. */
	host_perf[0].guest = 0x3;
	host_perf[1] = (struct perf_guest_switch_msr){ MSR_IA32_PEBS_ENABLE, 0x4, 0 };
	host_perf_nr = 2;
	*shim_msr(MSR_IA32_PEBS_ENABLE) = 0x4;
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK(F(VM_ENTRY_MSR_LOAD_COUNT) == 2 && F(VM_EXIT_MSR_LOAD_COUNT) == 2);
	CHECK(!hw.perf_msrs->entry[1].value && hw.perf_msrs->exit[1].index == MSR_IA32_PEBS_ENABLE && hw.perf_msrs->exit[1].value == 0x4);
	CHECK(hw.perf_msrs->entry[0].index == MSR_CORE_PERF_GLOBAL_CTRL && hw.perf_msrs->entry[0].value == 0x3 && hw.perf_msrs->exit[0].value == 0xf);
	for (int i = 0; i < 2; i++) {
		memset(&next, 0, sizeof(next));
		next.reason = EXIT_REASON_CPUID;
		next.guest = guest_counts;
		pebs_in_guest = ~0ull;
		enter();
		CHECK(!pebs_in_guest && *shim_msr(MSR_IA32_PEBS_ENABLE) == 0x4);
		CHECK_EQ(*shim_msr(MSR_CORE_PERF_GLOBAL_CTRL), 0xf);
	}
	/* Refused: the exit's list isn't loaded, and the host has its own all the same. */
	memset(&next, 0, sizeof(next));
	next.refuse = 7;
	enter();
	CHECK_EQ(*shim_msr(MSR_IA32_PEBS_ENABLE), 0x4);
	/* And no more. */
	host_perf[0].guest = 0xf;
	host_perf[1].host = 0;
	hw_prepare_guest_switch(&hw, current->tif);
	CHECK(!F(VM_ENTRY_MSR_LOAD_COUNT) && !F(VM_EXIT_MSR_LOAD_COUNT) && !(hw.work & WORK_PEBS));
	end();
	host_perf_nr = 0;
}

/* ------------------------------------------------------------------ intercepts, translations, time */

TEST(intercepts)
{
	static const struct { enum hw_intercept what; u32 proc; } rows[] = {
		{ INTERCEPT_INSN_HLT, CPU_BASED_HLT_EXITING }, { INTERCEPT_INSN_MWAIT, CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING },
		{ INTERCEPT_INSN_RDTSC, CPU_BASED_RDTSC_EXITING }, { INTERCEPT_INSN_RDPMC, CPU_BASED_RDPMC_EXITING },
		{ INTERCEPT_INSN_CR8_WRITE, CPU_BASED_CR8_LOAD_EXITING },
	};

	begin(NEW);
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		hw_set_intercept(&hw, rows[i].what, true);
		CHECK_EQ(F(CPU_BASED_VM_EXEC_CONTROL) & rows[i].proc, rows[i].proc);
		hw_set_intercept(&hw, rows[i].what, false);
		CHECK_EQ(F(CPU_BASED_VM_EXEC_CONTROL) & rows[i].proc, 0);
	}
	hw_set_intercept(&hw, INTERCEPT_INSN_PAUSE, true);
	CHECK(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_PAUSE_LOOP_EXITING);
	hw_set_pause_window(&hw, 100, 5000);
	CHECK(F(PLE_GAP) == 100 && F(PLE_WINDOW) == 5000 && hw_pause_window(&hw) == 5000);
	CHECK_EQ(hw.exceptions, BASE_EXCEPTIONS);
	hw_set_exception_intercepts(&hw, BIT(3));
	CHECK_EQ(F(EXCEPTION_BITMAP), BASE_EXCEPTIONS | BIT(3));
	end();
	begin(OLD);
	hw_set_intercept(&hw, INTERCEPT_INSN_PAUSE, true);
	CHECK_EQ(F(SECONDARY_VM_EXEC_CONTROL), PROC2_NEEDS);
	end();
}

TEST(instructions_of_the_guest)
{
	u32 all = SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_ENABLE_XSAVES;

	begin(NEW);
	hw_set_insns(&hw, 0);
	CHECK_EQ(F(SECONDARY_VM_EXEC_CONTROL) & all, 0);
	hw_set_insns(&hw, INSN_RDTSCP);
	CHECK_EQ(F(SECONDARY_VM_EXEC_CONTROL) & all, SECONDARY_EXEC_ENABLE_RDTSCP);
	hw_set_insns(&hw, INSN_INVPCID | INSN_XSAVES);
	CHECK_EQ(F(SECONDARY_VM_EXEC_CONTROL) & all, all & ~SECONDARY_EXEC_ENABLE_RDTSCP);
	end();
	/* What the CPU hasn't it can't be told. */
	begin(OLD);
	hw_set_insns(&hw, INSN_RDTSCP | INSN_INVPCID | INSN_XSAVES);
	CHECK_EQ(F(SECONDARY_VM_EXEC_CONTROL), PROC2_NEEDS);
	end();
}

TEST(debug_registers)
{
	begin(NEW);
	hw_set_dr7(&hw, 0xffffffff00000401);
	CHECK_EQ(hw_dr7(&hw), 0x401);
	shim_dr[6] = DR6_RESERVED;
	hw_set_dr6(&hw, 0xffff0ff1);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(shim_dr[6], DR6_RESERVED);
	/* In the guest's hands: in the CPU while it runs, the host's after. */
	hw_set_dr_intercept(&hw, false);
	CHECK(!(F(CPU_BASED_VM_EXEC_CONTROL) & CPU_BASED_MOV_DR_EXITING));
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(shim_dr[6] == DR6_RESERVED && hw_dr6(&hw) == 0xffff0ff1);
	hw_set_dr_intercept(&hw, true);
	CHECK(F(CPU_BASED_VM_EXEC_CONTROL) & CPU_BASED_MOV_DR_EXITING);
	end();
}

TEST(tpr)
{
	begin(NEW);
	hw_set_tpr(&hw, 5);
	CHECK(hw_tpr(&hw) == 5 && hw.vapic[0x80] == 0x50);
	hw_set_tpr_threshold(&hw, 4);
	CHECK_EQ(F(TPR_THRESHOLD), 4);
	/* A threshold above the TPR is refused by entry: never there, in whatever order they change. */
	hw_set_tpr(&hw, 3);
	CHECK_EQ(F(TPR_THRESHOLD), 0);
	hw_set_tpr_threshold(&hw, 9);
	CHECK_EQ(F(TPR_THRESHOLD), 0);
	end();
}

TEST(translations)
{
	begin(NEW);
	exit_with(EXIT_REASON_CPUID, 0);
	invepts = invvpids = 0;
	hw_flush_tlb_gva(&hw, 0x123000);
	CHECK(invvpids == 1 && last_invvpid == 0 && last_invvpid_gva == 0x123000 && !invepts);
	hw_flush_tlb_gva(&hw, 0xffff800000000000);
	CHECK(invvpids == 2 && !(hw.work & WORK_FLUSH));
	/* No address for INVVPID. */
	hw_flush_tlb_gva(&hw, 0x800000000000);
	CHECK(invvpids == 2 && (hw.work & WORK_FLUSH));
	invvpids = 1;
	CHECK(!invepts);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(invepts == 1 && last_invept == hw.eptp && invvpids == 2 && last_invvpid == 1);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(invepts == 1 && invvpids == 2);
	hw_flush_tlb_cpu();
	CHECK(last_invept == 0 && last_invvpid == 2);
	end();
	/* Without VPID, and with one scope of INVEPT only. */
	begin(OLD);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK_EQ(hw.vpid, 0);
	invepts = invvpids = 0;
	hw_flush_tlb_gva(&hw, 0x123000);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(invepts == 1 && last_invept == 0 && !invvpids);
	end();
}

TEST(vpids)
{
	struct hw_vcpu other = { };
	u16 mine;

	begin(NEW);
	mine = hw.vpid;
	CHECK_EQ(hw_vcpu_create(&other, &vm), 0);
	CHECK(mine && other.vpid && other.vpid != mine);
	hw_vcpu_destroy(&other);
	/* None left: VPID 0 and no control, which flushes at each entry. */
	bitmap_fill(vpid_map, VMX_NR_VPIDS);
	memset(&other, 0, sizeof(other));
	CHECK_EQ(hw_vcpu_create(&other, &vm), 0);
	CHECK(!other.vpid && !(other.proc2 & SECONDARY_EXEC_ENABLE_VPID));
	hw_vcpu_destroy(&other);
	bitmap_zero(vpid_map, VMX_NR_VPIDS);
	__set_bit(mine, vpid_map);
	end();
	CHECK(bitmap_empty(vpid_map, VMX_NR_VPIDS));
}

TEST(tsc)
{
	begin(NEW);
	hw_set_tsc_offset(&hw, -5ull);
	CHECK_EQ(F(TSC_OFFSET), -5ull);
	hw_set_tsc_ratio(&hw, BIT_ULL(47));
	CHECK_EQ(F(TSC_MULTIPLIER), BIT_ULL(47));
	end();
	begin(OLD);
	hw_set_tsc_ratio(&hw, BIT_ULL(47));
	CHECK(F(TSC_MULTIPLIER) != BIT_ULL(47));
	end();
}

static u32 timer_of(u64 host_tsc)
{
	CHECK_EQ(hw_set_preemption_timer(&hw, host_tsc), 0);
	CHECK_EQ(exit_with(EXIT_REASON_PREEMPTION_TIMER, 0).kind, EXIT_PREEMPTION_TIMER);
	CHECK(seen.pin & PIN_BASED_VMX_PREEMPTION_TIMER);
	return seen.timer;
}

/* Bit 5 of the TSC counts it down. */
TEST(preemption_timer)
{
	begin(NEW);
	CHECK_EQ(hw_set_preemption_timer(&hw, 1), -EOPNOTSUPP);
	hw_use_preemption_timer(&hw, true);
	shim_tsc = 0x10000;
	CHECK_EQ(timer_of(0x10000 + 32), 1);
	CHECK_EQ(timer_of(0x10000 + 33), 2);
	shim_tsc = 0x1001f;				/* the first change is near */
	CHECK_EQ(timer_of(0x1001f + 32), 2);
	CHECK_EQ(timer_of(0x10000), 0);
	/* An exit that came too early: the rest is counted from where we are. */
	CHECK_EQ(timer_of(0x20000), 0x800);
	shim_tsc = 0x18000;
	exit_with(EXIT_REASON_PREEMPTION_TIMER, 0);
	CHECK_EQ(seen.timer, 0x400);
	shim_tsc = 0x20000;
	exit_with(EXIT_REASON_PREEMPTION_TIMER, 0);
	CHECK_EQ(seen.timer, 0);
	CHECK_EQ(hw_set_preemption_timer(&hw, ~0ull), 0);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.pin & PIN_BASED_VMX_PREEMPTION_TIMER));
	CHECK_EQ(timer_of(shim_tsc + BIT_ULL(36)), BIT(31));
	CHECK_EQ(hw_set_preemption_timer(&hw, shim_tsc + BIT_ULL(38)), -ERANGE);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.pin & PIN_BASED_VMX_PREEMPTION_TIMER));
	end();
}

/* CPUs whose timer is known to be wrong: not used, or only as far as it counts. */
TEST(preemption_timer_flaws)
{
	static const struct { u32 denominator, numerator, max; } t[] = {
		{ 0, 0, ~0u }, { 2, 0, ~0u }, { 0, 200, ~0u },
		{ 2, 176, (88u << 25) - 1 }, { 1, 128, ~0u }, { 1, 300, ~0u }, { 2, 1, (1u << 24) - 1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		begin(NEW);
		shim_cpuid[1] = (struct shim_cpuid){ .leaf = 0x15, .eax = t[i].denominator, .ebx = t[i].numerator };
		vmx_timer_max = timer_max();
		CHECK_EQ(vmx_timer_max, t[i].max);
		boot_cpu_data.cpuid_level = 0x14;
		CHECK_EQ(timer_max(), ~0u);
		hw_use_preemption_timer(&hw, true);
		shim_tsc = 0;
		CHECK_EQ(timer_of((1ull << 37) - 32), t[i].max);
		end();
	}
	for (u32 model = 0; model < 0x100; model++) {
		host_cpu(NEW);
		boot_cpu_data.x86 = 6;
		boot_cpu_data.x86_model = model;
		CHECK_EQ(hw_setup(), 0);
		CHECK_EQ(hw_caps.preemption_timer, model != 0x25);
		CHECK_EQ(vmx_timer_max, ~0u);
		hw_teardown();
	}
	boot_cpu_data.x86 = boot_cpu_data.x86_model = 0;
}

TEST(cut_guest_time)
{
	begin(NEW);
	hw_use_preemption_timer(&hw, false);
	CHECK(!hw_cut_guest_time(&hw));
	hw_use_preemption_timer(&hw, true);
	CHECK(hw_cut_guest_time(&hw));
	CHECK_EQ(exit_with(EXIT_REASON_PREEMPTION_TIMER, 0).kind, EXIT_INTR);
	CHECK((seen.pin & PIN_BASED_VMX_PREEMPTION_TIMER) && seen.timer == 0);
	exit_with(EXIT_REASON_CPUID, 0);
	CHECK(!(seen.pin & PIN_BASED_VMX_PREEMPTION_TIMER));
	end();
	begin(OLD);
	CHECK(!hw_cut_guest_time(&hw));
	end();
}

/* ------------------------------------------------------------------ the dirty log */

/* The guest writes @n pages for the first time: entries from 511 down. */
static u16 pml_index;
static u32 pml_writes;
static void guest_writes(void)
{
	while (pml_writes && F(GUEST_PML_INDEX) < 512) {
		((u64 *)F(PML_ADDRESS))[F(GUEST_PML_INDEX)] = 0x1000ull * pml_writes--;
		F(GUEST_PML_INDEX) = (u16)(F(GUEST_PML_INDEX) - 1);
	}
	pml_index = F(GUEST_PML_INDEX);
}

static u32 run_and_take(u32 writes, const u64 **gpas)
{
	memset(&next, 0, sizeof(next));
	next.reason = EXIT_REASON_PML_FULL;
	next.guest = guest_writes;
	pml_writes = writes;
	enter();
	return hw_take_dirty_log(&hw, gpas);
}

TEST(dirty_log)
{
	static const u32 counts[] = { 0, 1, 2, 511, 512 };
	const u64 *gpas;

	begin(NEW);
	CHECK(hw_caps.pml);
	/* Off: nothing is even read. */
	exit_with(EXIT_REASON_CPUID, 0);
	vmreads = 0;
	CHECK_EQ(hw_take_dirty_log(&hw, &gpas), 0);
	CHECK_EQ(vmreads, 0);
	hw_set_dirty_log(&hw, true);
	CHECK(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_ENABLE_PML);
	for (int i = 0; i < ARRAY_SIZE(counts); i++) {
		u64 sum = 0;

		CHECK_EQ(run_and_take(counts[i], &gpas), counts[i]);
		for (u32 n = 0; n < counts[i]; n++)
			sum += gpas[n] >> 12;
		CHECK_EQ(sum, counts[i] * (counts[i] + 1) / 2);
		CHECK_EQ(hw_take_dirty_log(&hw, &gpas), 0);
	}
	/* Full: the CPU stops at FFFFH, and what didn't fit comes next time. */
	CHECK_EQ(run_and_take(600, &gpas), 512);
	CHECK_EQ(pml_index, 0xffff);
	hw_set_dirty_log(&hw, false);
	CHECK(!(F(SECONDARY_VM_EXEC_CONTROL) & SECONDARY_EXEC_ENABLE_PML));
	CHECK_EQ(hw_take_dirty_log(&hw, &gpas), 0);
	end();
	begin(OLD);
	hw_set_dirty_log(&hw, true);
	CHECK(!hw_caps.pml && F(SECONDARY_VM_EXEC_CONTROL) == PROC2_NEEDS);
	end();
}

/* ------------------------------------------------------------------ nested page table entries */

TEST(ept_entries)
{
	u64 e = hw_tdp_leaf(0x200000, 2, ACCESS_READ | ACCESS_WRITE | ACCESS_FETCH, HW_MEM_WB);

	CHECK_EQ(e, 0x200000 | 7 | 6 << 3 | BIT(6) | BIT(7));
	CHECK_EQ(hw_tdp_leaf(0x1000, 1, ACCESS_READ, HW_MEM_UC), 0x1001);
	CHECK_EQ(hw_tdp_leaf(0x1000, 1, ACCESS_READ, HW_MEM_WC), 0x1001 | 1 << 3);
	CHECK_EQ(hw_tdp_table(0x3000), 0x3007);
	/* Access-tracked: neither readable nor executable, and not the writable-but-unreadable that is a misconfiguration. */
	CHECK_EQ(HW_TDP_PRESENT_MASK | HW_TDP_WRITE, 7);
}

TEST(ept_pointer)
{
	begin(NEW);
	CHECK_EQ(F(EPT_POINTER), 0x5000 | 6 | 3 << 3 | BIT(6));
	hw_set_tdp_root(&hw, 0x6000, 5);
	CHECK_EQ(F(EPT_POINTER), 0x6000 | 6 | 4 << 3 | BIT(6));
	end();
	begin(OLD);
	CHECK_EQ(F(EPT_POINTER), 0x5000 | 6 | 3 << 3);
	end();
}

/* ------------------------------------------------------------------ flaws */

TEST(ibpb_for_another_vcpu)
{
	struct hw_vcpu other = { };

	begin(NEW);
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

#define L1D_FLUSHES(entry) ({ *shim_msr(MSR_IA32_FLUSH_CMD) = 0; entry; !!*shim_msr(MSR_IA32_FLUSH_CMD); })

/* L1TF: what the kernel's command line asks for, and nothing on a CPU that hasn't the flaw or says that it needs no flush. */
TEST(l1tf)
{
	static const struct { int choice; enum vmx_l1d_flush_state state; bool first, second; } rows[] = {
		{ L1TF_MITIGATION_OFF, VMENTER_L1D_FLUSH_NEVER, false, false },
		{ L1TF_MITIGATION_AUTO, VMENTER_L1D_FLUSH_COND, true, false },
		{ L1TF_MITIGATION_FLUSH, VMENTER_L1D_FLUSH_COND, true, false },
		{ L1TF_MITIGATION_FULL, VMENTER_L1D_FLUSH_ALWAYS, true, true },
		{ L1TF_MITIGATION_FULL_FORCE, VMENTER_L1D_FLUSH_ALWAYS, true, true },
	};
	u32 word = X86_FEATURE_FLUSH_L1D / 32, bit = BIT(X86_FEATURE_FLUSH_L1D % 32);

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(NEW);
		shim_cpu_caps[word] |= bit;
		l1tf_mitigation = L1TF_MITIGATION_FULL;
		CHECK_EQ(l1tf_setup(), 0);
		CHECK_EQ(L1D_FLUSHES(exit_with(EXIT_REASON_CPUID, 0)), 0);
		host_bugs = BUG_L1TF;
		l1tf_mitigation = rows[i].choice;
		CHECK_EQ(l1tf_setup(), 0);
		CHECK_EQ(l1tf_vmx_mitigation, rows[i].state);
		irq_l1d_dirty = 0;
		CHECK_EQ(L1D_FLUSHES(exit_with(EXIT_REASON_CPUID, 0)), rows[i].first);
		CHECK_EQ(L1D_FLUSHES(exit_with(EXIT_REASON_CPUID, 0)), rows[i].second);
		/* An interrupt, or more than a fast handler, ran since. */
		irq_l1d_dirty = 1;
		CHECK_EQ(L1D_FLUSHES(exit_with(EXIT_REASON_CPUID, 0)), rows[i].first);
		hw_prepare_guest_switch(&hw, current->tif);
		CHECK_EQ(L1D_FLUSHES(exit_with(EXIT_REASON_CPUID, 0)), rows[i].first);
		host_bugs = 0;
		shim_cpu_caps[word] &= ~bit;
		end();
		CHECK_EQ(l1tf_vmx_mitigation, VMENTER_L1D_FLUSH_AUTO);
	}
	l1tf_mitigation = L1TF_MITIGATION_AUTO;
}

/* Without the MSR a buffer is read that is larger than the cache: with the flaw it is there, and goes with the module. */
TEST(l1tf_without_the_msr)
{
	long before = shim_live_pages;

	host_cpu(NEW);
	host_bugs = BUG_L1TF;
	CHECK_EQ(hw_setup(), 0);
	CHECK(l1d_fill);
	hw.l1d_dirty = true;
	flaws_flush_l1d(&hw);
	CHECK(!hw.l1d_dirty);
	hw_teardown();
	CHECK(!l1d_fill && shim_live_pages == before);
}

TEST(itlb_multihit)
{
	for (int bugs = 0; bugs <= BUG_ITLB; bugs += BUG_ITLB) {
		host_cpu(NEW);
		host_bugs = bugs;
		CHECK_EQ(hw_setup(), 0);
		CHECK(hw_caps.itlb_multihit == !!bugs && itlb_multihit_kvm_mitigation == !!bugs);
		CHECK(hw_caps.tdp_2m && hw_caps.tdp_1g);
		hw_teardown();
		CHECK(!itlb_multihit_kvm_mitigation);
	}
}

/* ------------------------------------------------------------------ why an entry was refused: one case per rule */

static void check_good(void)
{
	begin(NEW);
	long_mode();
	exit_with(EXIT_REASON_CPUID, 0);
	vmx_flush_changes(&hw);
	F(VM_ENTRY_INTR_INFO_FIELD) = 0;
	/* As the processor would accept it. */
	F(HOST_CR0) = 0x80050033;
	F(HOST_RIP) = F(HOST_FS_BASE) = F(HOST_GS_BASE) = F(HOST_TR_BASE) = F(HOST_GDTR_BASE) = 0xffffffff81000000;
	F(MSR_BITMAP) = F(VIRTUAL_APIC_PAGE_ADDR) = F(PML_ADDRESS) = 0x1000;
	said[0] = 0;
}

static bool checker_says(const char *rule)
{
	char line[256];

	said[0] = 0;
	vmx_check_entry(&hw);
	snprintf(line, sizeof(line), "broken rule: %s\n", rule);
	/* This one and no other. */
	return strstr(said, line) && !strstr(strstr(said, "broken rule:") + 1, "broken rule:");
}

struct broken { const char *rule; struct { u32 field; u64 val; } set[4]; };

static void check_row(const struct broken *row)
{
	check_good();
	for (int i = 0; i < ARRAY_SIZE(row->set) && row->set[i].field; i++)
		F(row->set[i].field) = row->set[i].val;
	if (!checker_says(row->rule))
		FAIL("for '%s' the checker says: %s", row->rule, said);
	end();
}

#define INJECT(bits)	{ VM_ENTRY_INTR_INFO_FIELD, INTR_INFO_VALID_MASK | (bits) }

static const struct broken broken_rows[] = {
	/* 27.2.1 */
	{ "pin-based controls as the CPU allows", { { PIN_BASED_VM_EXEC_CONTROL, PIN_NEEDS & ~0x16 } } },
	{ "processor-based controls as the CPU allows", { { CPU_BASED_VM_EXEC_CONTROL, PROC_NEEDS } } },
	{ "VM-exit controls as the CPU allows", { { VM_EXIT_CONTROLS, 0 } } },
	{ "VM-entry controls as the CPU allows", { { VM_ENTRY_CONTROLS, VM_ENTRY_IA32E_MODE } } },
	{ "the MSR bitmap is a page of physical memory", { { MSR_BITMAP, 0x1008 } } },
	{ "the virtual-APIC page is a page of physical memory", { { VIRTUAL_APIC_PAGE_ADDR, BIT_ULL(50) } } },
	{ "TPR threshold not above the TPR", { { TPR_THRESHOLD, 1 } } },
	{ "virtual NMIs only with NMI exiting", { { PIN_BASED_VM_EXEC_CONTROL, 0x16 | (PIN_NEEDS & ~PIN_BASED_NMI_EXITING) } } },
	{ "an NMI window only with virtual NMIs", { { PIN_BASED_VM_EXEC_CONTROL, 0x16 | (PIN_NEEDS & ~PIN_BASED_VIRTUAL_NMIS) },
	  { CPU_BASED_VM_EXEC_CONTROL, 0x4006172 | PROC_NEEDS | CPU_BASED_NMI_WINDOW_EXITING } } },
	{ "the dirty log is a page of physical memory", { { SECONDARY_VM_EXEC_CONTROL, PROC2_NEEDS | SECONDARY_EXEC_ENABLE_PML }, { PML_ADDRESS, 8 } } },
	{ "EPT pointer: memory type, levels, within physical memory", { { EPT_POINTER, 0x5000 | 1 | 3 << 3 } } },
	{ "EPT pointer: memory type, levels, within physical memory", { { EPT_POINTER, 0x5000 | 6 | 2 << 3 } } },
	{ "EPT pointer: memory type, levels, within physical memory", { { EPT_POINTER, 0x5000 | 6 | 3 << 3 | BIT(11) } } },
	{ "EPT pointer: memory type, levels, within physical memory", { { EPT_POINTER, BIT_ULL(47) | 6 | 3 << 3 } } },
	{ "a known type of event", { INJECT(1 << 8) } },
	{ "an injected NMI has vector 2", { INJECT(INTR_TYPE_NMI_INTR | 3) } },
	{ "an injected exception's vector is below 32", { INJECT(INTR_TYPE_HARD_EXCEPTION | 32) } },
	{ "an error code with the exceptions that push one, outside real mode", { INJECT(INTR_TYPE_HARD_EXCEPTION | 13) } },
	{ "an error code with the exceptions that push one, outside real mode",
	  { INJECT(INTR_TYPE_HARD_EXCEPTION | INTR_INFO_DELIVER_CODE_MASK | 6), { VM_ENTRY_EXCEPTION_ERROR_CODE, 0 } } },
	{ "no reserved bit in an injected event", { INJECT(INTR_TYPE_HARD_EXCEPTION | BIT(20) | 6) } },
	{ "no reserved bit in an injected event",
	  { INJECT(INTR_TYPE_HARD_EXCEPTION | INTR_INFO_DELIVER_CODE_MASK | 13), { VM_ENTRY_EXCEPTION_ERROR_CODE, BIT(16) } } },
	{ "a software event has an instruction of 1 to 15 bytes", { INJECT(INTR_TYPE_SOFT_INTR | 0x80), { VM_ENTRY_INSTRUCTION_LEN, 0 } } },
	{ "a software event has an instruction of 1 to 15 bytes", { INJECT(INTR_TYPE_SOFT_EXCEPTION | 3), { VM_ENTRY_INSTRUCTION_LEN, 16 } } },
	/* 27.2.2 */
	{ "the host's CR0 as the CPU's fixed bits say", { { HOST_CR0, 0x80050013 } } },
	{ "the host's CR4 as the CPU's fixed bits say", { { HOST_CR4, 0x406e0 } } },
	{ "the host's selectors without RPL and TI", { { HOST_DS_SELECTOR, 0x2b } } },
	{ "the host's CS and TR not null", { { HOST_TR_SELECTOR, 0 } } },
	{ "the host's bases and RIP canonical", { { HOST_GS_BASE, BIT_ULL(60) } } },
	/* 27.3.1.1 */
	{ "CR0 as the CPU's fixed bits say", { { GUEST_CR0, X86_CR0_PE | X86_CR0_PG } } },
	{ "CR4 as the CPU's fixed bits say", { { GUEST_CR4, X86_CR4_PAE } } },
	{ "CR3 within physical memory", { { GUEST_CR3, BIT_ULL(47) } } },
	{ "DR7[63:32] clear", { { GUEST_DR7, BIT_ULL(32) } } },
	{ "no reserved bit in DEBUGCTL", { { GUEST_IA32_DEBUGCTL, BIT(2) } } },
	{ "memory types that PAT can have", { { GUEST_IA32_PAT, 2 } } },
	{ "no reserved bit in EFER", { { GUEST_IA32_EFER, EFER_LME | EFER_LMA | BIT(1) } } },
	{ "SYSENTER_ESP and SYSENTER_EIP canonical", { { GUEST_SYSENTER_EIP, BIT_ULL(60) } } },
	/* 27.3.1.2 */
	{ "CS usable, present, G as the limit", { { GUEST_CS_AR_BYTES, 0xa01b } } },
	{ "CS usable, present, G as the limit", { { GUEST_CS_LIMIT, 0xfffffff0 } } },
	{ "CS is accessed code, or read/write data", { { GUEST_CS_AR_BYTES, 0xa09a } } },
	{ "DPL of CS as that of SS", { { GUEST_CS_AR_BYTES, 0xa0fb } } },
	{ "DPL of conforming CS not above SS", { { GUEST_CS_AR_BYTES, 0xa0ff } } },
	{ "DPL 0 with CS as data", { { GUEST_CS_AR_BYTES, 0xa0f3 } } },
	{ "CS.L and CS.D not both", { { GUEST_CS_AR_BYTES, 0xe09b } } },
	{ "base of CS below 4 GiB", { { GUEST_CS_BASE, BIT_ULL(32) } } },
	{ "bases of SS, DS and ES below 4 GiB", { { GUEST_ES_BASE, BIT_ULL(32) } } },
	{ "present, accessed and readable, SS writable; G as the limit", { { GUEST_DS_AR_BYTES, 0xc092 } } },
	{ "present, accessed and readable, SS writable; G as the limit", { { GUEST_DS_AR_BYTES, 0xc099 } } },
	{ "present, accessed and readable, SS writable; G as the limit", { { GUEST_SS_AR_BYTES, 0xc091 } } },
	{ "present, accessed and readable, SS writable; G as the limit", { { GUEST_FS_AR_BYTES, 0x4093 } } },
	{ "TR is a busy TSS, a 64-bit one in long mode", { { GUEST_TR_AR_BYTES, 0x83 } } },
	{ "TR usable, present, a system segment, G as the limit", { { GUEST_TR_AR_BYTES, 0x1008b } } },
	{ "TR's selector is in the GDT", { { GUEST_TR_SELECTOR, 4 } } },
	{ "bases of TR, FS and GS canonical", { { GUEST_GS_BASE, BIT_ULL(60) } } },
	{ "LDTR is a present LDT of the GDT, or unusable", { { GUEST_LDTR_AR_BYTES, 0x83 } } },
	{ "LDTR is a present LDT of the GDT, or unusable", { { GUEST_LDTR_SELECTOR, 4 } } },
	/* 27.3.1.3, 27.3.1.4 */
	{ "bases of GDTR and IDTR canonical", { { GUEST_GDTR_BASE, BIT_ULL(60) } } },
	{ "limits of GDTR and IDTR below 64 KiB", { { GUEST_IDTR_LIMIT, 0x10000 } } },
	{ "RIP canonical", { { GUEST_RIP, BIT_ULL(60) } } },
	{ "RIP below 4 GiB outside 64-bit code", { { GUEST_CS_AR_BYTES, 0xc09b }, { GUEST_RIP, BIT_ULL(33) } } },
	{ "no reserved bit in RFLAGS", { { GUEST_RFLAGS, 0 } } },
	{ "no reserved bit in RFLAGS", { { GUEST_RFLAGS, BIT(15) | 2 } } },
	{ "RFLAGS.IF with an injected external interrupt", { INJECT(INTR_TYPE_EXT_INTR | 0x30) } },
	/* 27.3.1.5 */
	{ "a known activity state", { { GUEST_ACTIVITY_STATE, 4 } } },
	{ "active in a shadow", { { GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_SHUTDOWN }, { GUEST_INTERRUPTIBILITY_INFO, GUEST_INTR_STATE_MOV_SS } } },
	{ "no reserved bit in the interruptibility state", { { GUEST_INTERRUPTIBILITY_INFO, BIT(5) } } },
	{ "no reserved bit in the pending debug exceptions", { { GUEST_PENDING_DBG_EXCEPTIONS, BIT(4) } } },
	{ "no VMCS linked", { { VMCS_LINK_POINTER, 0 } } },
	{ "not blocked by STI and MOV SS at once", { { GUEST_INTERRUPTIBILITY_INFO, 3 }, { GUEST_RFLAGS, 0x202 } } },
	{ "blocked by STI only with RFLAGS.IF", { { GUEST_INTERRUPTIBILITY_INFO, 1 } } },
	{ "in a shadow a step is pending if RFLAGS.TF is set", { { GUEST_INTERRUPTIBILITY_INFO, 2 }, { GUEST_RFLAGS, 0x102 } } },
	{ "no interrupt injected in a shadow", { { GUEST_INTERRUPTIBILITY_INFO, 2 }, { GUEST_RFLAGS, 0x202 }, INJECT(INTR_TYPE_EXT_INTR | 0x30) } },
	{ "no NMI injected while they are blocked", { { GUEST_INTERRUPTIBILITY_INFO, 8 }, INJECT(INTR_TYPE_NMI_INTR | 2) } },
};

TEST(checker)
{
	check_good();
	vmx_check_entry(&hw);
	if (!strstr(said, "no broken rule found"))
		FAIL("of a good guest the checker says: %s", said);
	end();
	for (int i = 0; i < ARRAY_SIZE(broken_rows); i++)
		check_row(&broken_rows[i]);
}

/* Those that need more than one field's change, or another mode than 64-bit. */
TEST(checker_modes)
{
	check_good();
	F(VIRTUAL_PROCESSOR_ID) = 0;
	CHECK(checker_says("a VPID that is not 0"));
	F(VIRTUAL_PROCESSOR_ID) = 1;
	forbid(MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_ENABLE_EPT);
	CHECK(checker_says("secondary controls as the CPU allows"));
	*shim_msr(MSR_IA32_VMX_PROCBASED_CTLS2) |= (u64)SECONDARY_EXEC_ENABLE_EPT << 32;
	hw_set_efer(&hw, 0);
	hw_set_pdptrs(&hw, (u64[]){ 0, 0, 0, 0 });
	F(GUEST_CS_AR_BYTES) = 0xc09b;
	said[0] = 0;
	vmx_check_entry(&hw);
	CHECK(strstr(said, "no broken rule found"));
	F(GUEST_CR4) |= X86_CR4_PCIDE;
	CHECK(checker_says("CR4.PCIDE in long mode only"));
	F(GUEST_CR4) &= ~X86_CR4_PCIDE;
	F(GUEST_PDPTR2) = 0x1e7;
	F(GUEST_PDPTR0) = F(GUEST_PDPTR1) = F(GUEST_PDPTR3) = 0;
	CHECK(checker_says("no reserved bit in a PDPTE"));
	F(GUEST_PDPTR2) = 0;
	F(GUEST_IA32_EFER) = EFER_LMA | EFER_LME;
	CHECK(checker_says("EFER.LMA as the IA-32e mode control"));
	F(GUEST_IA32_EFER) = EFER_LME;
	CHECK(checker_says("EFER.LMA as EFER.LME, with paging"));
	F(GUEST_IA32_EFER) = 0;
	F(GUEST_CR0) &= ~X86_CR0_PE;
	CHECK(checker_says("CR0.PG only with CR0.PE"));
	F(GUEST_CR0) = vmx_config.fixed.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	F(GUEST_SS_AR_BYTES) |= 3 << 5;
	F(GUEST_CS_AR_BYTES) |= 3 << 5;
	CHECK(checker_says("DPL of SS 0 in real mode"));
	end();
	check_good();
	F(GUEST_CR0) &= ~X86_CR0_PG;
	CHECK(checker_says("long mode only with CR0.PG and CR4.PAE"));
	F(GUEST_CR0) |= X86_CR0_PG;
	F(GUEST_CS_AR_BYTES) |= 3 << 5;
	F(GUEST_SS_AR_BYTES) |= 3 << 5;
	F(GUEST_ACTIVITY_STATE) = GUEST_ACTIVITY_HLT;
	CHECK(checker_says("a halt at CPL 0 only"));
	end();
}

/* Virtual-8086 mode: base, limit and attributes of all six follow from the selector (SDM 3C, 27.3.1.2). */
TEST(checker_vm86)
{
	struct kvm_segment seg = { .base = 0x12340, .selector = 0x1234, .limit = 0xffff, .type = 3, .s = 1, .dpl = 3, .present = 1 };

	check_good();
	hw_set_efer(&hw, 0);
	F(GUEST_CR0) &= ~X86_CR0_PG;
	F(GUEST_RFLAGS) = X86_EFLAGS_VM | 2;
	for (enum seg s = SEG_ES; s <= SEG_GS; s++)
		hw_set_segment(&hw, s, &seg);
	said[0] = 0;
	vmx_check_entry(&hw);
	CHECK(strstr(said, "no broken rule"));
	F(GUEST_DS_LIMIT) = 0xfffff;
	CHECK(checker_says("virtual-8086: base from the selector, limit FFFFH, attributes F3H") && strstr(said, "segment DS"));
	F(GUEST_DS_LIMIT) = 0xffff;
	F(GUEST_FS_BASE) = 0;
	CHECK(checker_says("virtual-8086: base from the selector, limit FFFFH, attributes F3H") && strstr(said, "segment FS"));
	F(GUEST_FS_BASE) = 0x12340;
	F(GUEST_CS_AR_BYTES) = 0x93;
	CHECK(checker_says("virtual-8086: base from the selector, limit FFFFH, attributes F3H") && strstr(said, "segment CS"));
	F(GUEST_CS_AR_BYTES) = 0xf3;
	F(GUEST_CR0) &= ~X86_CR0_PE;
	CHECK(checker_says("RFLAGS.VM in legacy protected mode only"));
	end();
}
