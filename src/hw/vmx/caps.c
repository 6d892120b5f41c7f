// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor can do, and turning VMX on and off on each CPU.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include "hw/hw.h"
#include "hw/vmx/flaws.h"

struct hw_caps hw_caps;
struct vmx_config vmx_config;	/* constant after hw_setup() */
u32 vmx_timer_max;		/* this, too */

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpus);

struct vmx_cpu *vmx_cpu(int cpu)
{
	return per_cpu_ptr(&vmx_cpus, cpu);
}

bool vmx_is_on(void)
{
	return raw_cpu_ptr(&vmx_cpus)->on;
}

/* ------------------ controls, from a table (SDM 3C, appendix A.3 to A.5) */

enum control_word { WORD_PIN, WORD_PROC, WORD_PROC2, WORD_EXIT, WORD_ENTRY };

static const struct control_row {
	enum control_word word;
	u32 msr;
	u32 required;		/* without them the CPU is refused */
	u32 wanted;		/* set where the CPU has them */
	const char *missing;
} control_rows[] = {
	{ WORD_PIN, MSR_IA32_VMX_TRUE_PINBASED_CTLS,
	  PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS, 0,
	  "this processor's VMX has no virtual NMIs" },
	{ WORD_PROC, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
	  CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING |
		  CPU_BASED_RDPMC_EXITING | CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_MOV_DR_EXITING |
		  CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_TPR_SHADOW |
		  CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
	  0, "this processor's VMX has no TPR shadow, MSR bitmaps or secondary controls" },
	{ WORD_PROC2, MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_ENABLE_EPT,
	  SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_WBINVD_EXITING |
		  SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_ENABLE_RDTSCP |
		  SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_ENABLE_XSAVES |
		  SECONDARY_EXEC_TSC_SCALING,
	  "this processor has no nested paging (EPT)" },
	{ WORD_EXIT, MSR_IA32_VMX_TRUE_EXIT_CTLS,
	  VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_IA32_EFER | VM_EXIT_LOAD_IA32_EFER |
		  VM_EXIT_SAVE_IA32_PAT | VM_EXIT_LOAD_IA32_PAT,
	  VM_EXIT_SAVE_DEBUG_CONTROLS, "this processor's VMX does not switch EFER and PAT" },
	{ WORD_ENTRY, MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	  VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT, VM_ENTRY_LOAD_DEBUG_CONTROLS,
	  "this processor's VMX does not switch EFER and PAT" },
};

/*
 * The low half of a capability MSR: bits that must be 1; the high half: bits that may be. NULL, or
 * what is missing.
 */
static const char *control_choose(const struct control_row *row, u32 *val)
{
	u64 cap;
	u32 must, may;

	rdmsrl(row->msr, cap);
	must = cap;
	may = cap >> 32;
	*val = must | ((row->required | row->wanted) & may);
	return (row->required & ~may) ? row->missing : NULL;
}

static const char *controls_compute(struct vmx_config *config)
{
	typeof(config->controls) *c = &config->controls;
	u32 *words[] = { &c->pin, &c->proc, &c->proc2, &c->exit, &c->entry };
	unsigned int i;
	const char *why;

	for (i = 0; i < ARRAY_SIZE(control_rows); i++) {
		why = control_choose(&control_rows[i], words[control_rows[i].word]);
		if (why)
			return why;
	}
	/* True controls let these default-1 exits go: CR3 is the guest's own with EPT. */
	c->proc &= ~(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING |
		     CPU_BASED_INVLPG_EXITING);
	if (!(c->proc2 & SECONDARY_EXEC_UNRESTRICTED_GUEST))
		return "this processor has no unrestricted guest: it can't run real mode without "
		       "emulation";
	return NULL;
}

static u32 may_be_set(u32 msr, u32 bits)
{
	u64 cap;

	rdmsrl(msr, cap);
	return (cap >> 32) & bits;
}

#define EPT_USED	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_2MB_PAGE_BIT | VMX_EPT_1GB_PAGE_BIT | VMX_EPT_AD_BIT | VMX_EPT_INVEPT_BIT | \
			 VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)
#define VPID_USED                                                                   \
	(VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT | \
	 VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)

/* Of this CPU; what isn't used stays 0. NULL, or what is missing. */
static const char *config_read(struct vmx_config *c)
{
	const char *why;
	u64 val;

	memset(c, 0, sizeof(*c));
	/* First: a CPU without secondary controls or EPT has not all of the MSRs below. */
	why = controls_compute(c);
	if (why)
		return why;
	rdmsrl(MSR_IA32_VMX_BASIC, val);
	c->revision = val & 0x7fffffff;
	rdmsrl(MSR_IA32_VMX_MISC, val);
	c->timer_shift = val & 0x1f;
	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, val);
	c->ept = val & EPT_USED;
	c->vpid = (val >> 32) & VPID_USED;
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, c->fixed.cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, c->fixed.cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, c->fixed.cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, c->fixed.cr4_fixed1);
	c->options.pin =
		may_be_set(MSR_IA32_VMX_TRUE_PINBASED_CTLS, PIN_BASED_VMX_PREEMPTION_TIMER);
	c->options.proc = may_be_set(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, CPU_BASED_MONITOR_TRAP_FLAG);
	c->options.proc2 =
		may_be_set(MSR_IA32_VMX_PROCBASED_CTLS2,
			   SECONDARY_EXEC_PAUSE_LOOP_EXITING | SECONDARY_EXEC_ENABLE_PML |
				   SECONDARY_EXEC_DESC | APIC_CONTROLS);
	return NULL;
}

/* ------------------------------------------------------------------ is there a usable VMX? */

/* CR4.VMXE is set by whoever uses VMX, for as long as that lasts. */
static void vmx_look_for_owner(void *found)
{
	if (__read_cr4() & X86_CR4_VMXE)
		WRITE_ONCE(*(bool *)found, true);
}

static const char *vmx_missing_firmware(void)
{
	u64 ctl;

	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl))
		return "this processor has no VMX";
	if ((ctl & FEAT_CTL_LOCKED) && !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		return "VMX is disabled by the firmware (BIOS)";
	return NULL;
}

static const char *vmx_missing(struct vmx_config *c)
{
	const char *why;
	u64 basic;

	if (boot_cpu_data.cpuid_level < 1 || !(cpuid_ecx(1) & BIT(5)))
		return "this processor has no VMX";
	why = vmx_missing_firmware();
	if (why)
		return why;
#ifdef X86_FEATURE_FRED
	/* Host NMIs and the MSRs of FRED at VM exit need another way than the IDT's. */
	if (cpu_feature_enabled(X86_FEATURE_FRED))
		return "the kernel uses FRED, which this module does not know (boot with fred=off)";
#endif
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	if (!(basic & VMX_BASIC_TRUE_CTLS))
		return "this processor's VMX is too old: no true controls";
	why = config_read(c);
	if (why)
		return why;
	if (!(c->ept & VMX_EPT_PAGE_WALK_4_BIT) || !(c->ept & VMX_EPTP_WB_BIT) ||
	    !(c->ept & VMX_EPT_INVEPT_BIT))
		return "this processor's EPT has no four-level write-back tables or no INVEPT";
	return NULL;
}

int hw_probe(const char **why)
{
	struct vmx_config c;
	bool owned = false;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL) {
		*why = "not an Intel processor";
		return -EOPNOTSUPP;
	}
	*why = vmx_missing(&c);
	if (*why)
		return -EOPNOTSUPP;
	on_each_cpu(vmx_look_for_owner, &owned, 1);
	if (owned) {
		*why = "VMX is in use on some CPU already";
		return -EBUSY;
	}
	return 0;
}

bool hw_cpu_compatible(void)
{
	struct vmx_config c;

	return !vmx_missing(&c) && !memcmp(&c, &vmx_config, sizeof(c));
}

/* ------------------------------------------------------------------ set-up and teardown */

/*
 * The first CPUs with a preemption timer count it down at another rate than they say (Intel's
 * specification updates, "VMX-Preemption Timer Does Not Count Down at the Rate Specified", AAT59
 * and AAU65 among others). Of their models only 06_25H (SDM 4, table 2-1) has unrestricted guest.
 */
static bool timer_rate_is_wrong(void)
{
	return boot_cpu_data.x86 == 6 && boot_cpu_data.x86_model == 0x25;
}

/*
 * Many later ones end it early when the value is not below 2^25 TSC ticks per tick of the crystal
 * (EMR158). That does no harm but exits: who is too early is armed again.
 */
static u32 timer_max(void)
{
	u32 denominator, numerator, crystal, unused;

	if (boot_cpu_data.cpuid_level < 0x15)
		return U32_MAX;
	cpuid(0x15, &denominator, &numerator, &crystal, &unused);
	if (!denominator || !numerator)
		return U32_MAX;
	return min_t(u64, U32_MAX, ((u64)numerator << 25) / denominator - 1);
}

static void vmx_fill_caps(const struct vmx_config *c)
{
	/* Four levels translate 48 bits. */
	hw_caps.max_phys_bits = min_t(u8, boot_cpu_data.x86_phys_bits, 48);
	hw_caps.tdp_levels = 4;
	hw_caps.tdp_2m = c->ept & VMX_EPT_2MB_PAGE_BIT;
	hw_caps.tdp_1g = c->ept & VMX_EPT_1GB_PAGE_BIT;
	hw_caps.tdp_ad = c->ept & VMX_EPT_AD_BIT;
	hw_caps.nrips = true;		/* VM-exit instruction length */
	hw_caps.decode_assists = false;	/* no instruction bytes */
	hw_caps.virtual_nmi = true;
	hw_caps.tsc_scaling = c->controls.proc2 & SECONDARY_EXEC_TSC_SCALING;
	hw_caps.tsc_scaling_frac_bits = 48;
	hw_caps.default_tsc_scaling_ratio = BIT_ULL(48);
	hw_caps.max_tsc_scaling_ratio = U64_MAX;
	hw_caps.xsaves = (c->controls.proc2 & SECONDARY_EXEC_ENABLE_XSAVES) &&
			 boot_cpu_has(X86_FEATURE_XSAVES);
	hw_caps.preemption_timer = (c->options.pin & PIN_BASED_VMX_PREEMPTION_TIMER) &&
				   !timer_rate_is_wrong();
	vmx_timer_max = timer_max();
	hw_caps.mtf = c->options.proc & CPU_BASED_MONITOR_TRAP_FLAG;
	hw_caps.pause_filter = c->options.proc2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	/* What is logged is that a dirty bit was set. */
	hw_caps.pml = hw_caps.tdp_ad && (c->options.proc2 & SECONDARY_EXEC_ENABLE_PML);
	hw_caps.emulated_umip =
		!boot_cpu_has(X86_FEATURE_UMIP) && (c->options.proc2 & SECONDARY_EXEC_DESC);
	vmx_apic_setup(c->options.proc2);
}

static int vmx_alloc_cpu(struct vmx_cpu *cpu)
{
	INIT_LIST_HEAD(&cpu->loaded);
	cpu->vmxon = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cpu->vmxon)
		return -ENOMEM;
	*(u32 *)cpu->vmxon = vmx_config.revision;
	return 0;
}

int hw_setup(void)
{
	int cpu;

	if (config_read(&vmx_config))
		return -EIO;
	vmx_fill_caps(&vmx_config);
	vmx_host_msrs_read();
	if (flaws_setup()) {
		hw_teardown();
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		if (vmx_alloc_cpu(vmx_cpu(cpu))) {
			hw_teardown();
			return -ENOMEM;
		}
	}
	return 0;
}

void hw_teardown(void)
{
	int cpu;

	flaws_teardown();
	for_each_possible_cpu(cpu) {
		free_page((unsigned long)vmx_cpu(cpu)->vmxon);
		vmx_cpu(cpu)->vmxon = NULL;
	}
}

/* ------------------------------------------------------------------ on and off */

/*
 * The firmware may have left the register open: VMXON wants it locked with VMX enabled (SDM 3C,
 * 24.7).
 */
static void vmx_lock_feature_control(void)
{
	u64 ctl;

	rdmsrl(MSR_IA32_FEAT_CTL, ctl);
	if (!(ctl & FEAT_CTL_LOCKED))
		wrmsrl(MSR_IA32_FEAT_CTL, ctl | FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
}

int hw_enable_cpu(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpus);
	int err;

	if (__read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	vmx_lock_feature_control();
	/* Some CPUs can't trace while VMX is on (IA32_VMX_MISC[14]): perf has to know. */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	err = vmxon(virt_to_phys(cpu->vmxon));
	if (err) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return err;
	}
	cpu->current_vmcs = NULL;
	cpu->last_vcpu = 0;
	WRITE_ONCE(cpu->on, true);
	/* Whatever is tagged with our VPIDs and EPTPs is from someone else's time. */
	hw_flush_tlb_cpu();
	return 0;
}

void hw_disable_cpu(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpus);
	struct hw_vcpu *hw, *next;

	if (!READ_ONCE(cpu->on))
		return;
	WRITE_ONCE(cpu->on, false);
	/* An active VMCS is partly in the CPU: into memory with it. */
	list_for_each_entry_safe(hw, next, &cpu->loaded, link)
		vmcs_clear_here(hw);
	vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/*
 * CR4.VMXE is set before VMXON and cleared behind VMXOFF. The list is whole for who reads it
 * forwards, with the VMCS that is being put on it or taken off, or without: that one is clear.
 */
void hw_crash_cpu(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpus);
	struct hw_vcpu *hw;

	if (!(__read_cr4() & X86_CR4_VMXE))
		return;
	WRITE_ONCE(cpu->on, false);
	list_for_each_entry_lockless(hw, &cpu->loaded, link)
		vmclear(virt_to_phys(hw->vmcs));
	vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
}

/* ------------------ translations (SDM 3C, 29.4.3) */

void hw_flush_tlb_cpu(void)
{
	if (vmx_config.ept & VMX_EPT_EXTENT_GLOBAL_BIT)
		invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (vmx_config.vpid & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)
		invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
}

void vmx_flush_guest(struct hw_vcpu *hw)
{
	if (vmx_config.ept & VMX_EPT_EXTENT_CONTEXT_BIT)
		invept(VMX_EPT_EXTENT_CONTEXT, hw->eptp);
	else
		invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (!hw->vpid)
		return;		/* without VPID each entry flushes the linear part */
	if (vmx_config.vpid & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT)
		invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, hw->vpid, 0);
	else
		invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
}

void hw_flush_tlb_all(struct hw_vcpu *hw)
{
	hw->work |= WORK_FLUSH;
}

void hw_flush_tlb_gva(struct hw_vcpu *hw, gva_t gva)
{
	/*
	 * The CPU that the vCPU comes from, or goes to, is flushed as a whole: only this one
	 * counts. INVVPID fails for an address that isn't canonical on this CPU, which INVLPG takes
	 * as it takes any other.
	 */
	if (hw->vpid && (vmx_config.vpid & VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT) &&
	    sign_extend64(gva, 47) == gva)
		invvpid(VMX_VPID_EXTENT_INDIVIDUAL_ADDR, hw->vpid, gva);
	else
		hw_flush_tlb_all(hw);
}
