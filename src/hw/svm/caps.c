// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor can do, turning SVM on and off, and the ASIDs of each CPU.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/pgtable_types.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include "hw/hw.h"
#include "hw/svm/flaws.h"
#include "hw/svm/ops.h"

/* CPUID 8000_000A: EBX the number of ASIDs, EDX features (APM 3, E.4.9). */
enum svm_feature {
	SVM_NPT = BIT(0),
	SVM_NRIPS = BIT(3),
	SVM_TSC_RATE = BIT(4),
	SVM_FLUSH_BY_ASID = BIT(6),
	SVM_DECODE_ASSISTS = BIT(7),
	SVM_PAUSE_FILTER = BIT(10),
	SVM_PAUSE_THRESHOLD = BIT(12),
	SVM_VGIF = BIT(16),
	SVM_V_SPEC_CTRL = BIT(20),
};

/* What we make use of: a CPU that comes online must have those that the first one had. */
#define SVM_USED	(SVM_NPT | SVM_NRIPS | SVM_TSC_RATE | SVM_FLUSH_BY_ASID | \
			 SVM_DECODE_ASSISTS | SVM_PAUSE_FILTER | SVM_PAUSE_THRESHOLD | \
			 SVM_V_SPEC_CTRL)

#define IOPM_ORDER	2	/* 12 KB are asked for; pages come in powers of two */

#ifndef SVM_VM_CR_SVM_DIS_MASK
#define SVM_VM_CR_SVM_DIS_MASK	BIT_ULL(4)
#endif

struct hw_caps hw_caps;

/* Constant after hw_setup(). */
static struct {
	u32 features;		/* of SVM_USED */
	u32 max_asid;
	void *iopm;		/* every port exits */
	hpa_t iopm_pa;
} svm;

u64 svm_memtypes[3];		/* page-table bits by enum hw_memtype */

DEFINE_PER_CPU(struct svm_cpu, svm_cpus);

static bool svm_has(enum svm_feature feature)
{
	return svm.features & feature;
}

hpa_t svm_iopm_pa(void)
{
	return svm.iopm_pa;
}

static struct svm_cpu *svm_cpu(int cpu)
{
	return per_cpu_ptr(&svm_cpus, cpu);
}

/* ------------------------------------------------------------------ is there a usable SVM? */

static void svm_look_for_owner(void *found)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		WRITE_ONCE(*(bool *)found, true);
}

/* NULL, or what this CPU lacks. Any context. */
static const char *svm_missing(void)
{
	u64 vm_cr;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_HYGON)
		return "not an AMD processor";
	if (cpuid_eax(0x80000000) < SVM_CPUID_FUNC || !(cpuid_ecx(0x80000001) & BIT(2)))
		return "this processor has no SVM";
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr) || (vm_cr & SVM_VM_CR_SVM_DIS_MASK))
		return "SVM is disabled by the firmware (BIOS)";
	if (!(cpuid_edx(SVM_CPUID_FUNC) & SVM_NPT))
		return "this processor has no nested paging";
	if (cpuid_ebx(SVM_CPUID_FUNC) < 2)
		return "this processor has no ASIDs for guests";
	return NULL;
}

int hw_probe(const char **why)
{
	bool owned = false;

	*why = svm_missing();
	if (*why)
		return -EOPNOTSUPP;
	on_each_cpu(svm_look_for_owner, &owned, 1);
	if (owned) {
		*why = "SVM is in use on some CPU already";
		return -EBUSY;
	}
	return 0;
}

bool hw_cpu_compatible(void)
{
	if (svm_missing())
		return false;
	return (cpuid_edx(SVM_CPUID_FUNC) & svm.features) == svm.features &&
	       cpuid_ebx(SVM_CPUID_FUNC) > svm.max_asid;
}

/* ------------------------------------------------------------------ set-up and teardown */

/*
 * The widest GPA that nested paging can translate: the CPU's own limit, and that of the host's
 * paging mode, which it shares.
 */
static u8 svm_max_phys_bits(void)
{
	u32 eax = cpuid_eax(0x80000008);
	u8 bits = (eax >> 16) & 0xff ?: eax & 0xff;

	return min_t(u8, bits, hw_caps.tdp_levels == 5 ? 52 : 48);
}

static void svm_fill_caps(void)
{
	hw_caps.tdp_levels = __read_cr4() & X86_CR4_LA57 ? 5 : 4;
	hw_caps.max_phys_bits = svm_max_phys_bits();
	hw_caps.tdp_2m = true;
	hw_caps.tdp_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	hw_caps.tdp_ad = true;
	hw_caps.nrips = svm_has(SVM_NRIPS);
	hw_caps.decode_assists = svm_has(SVM_DECODE_ASSISTS);
	hw_caps.tsc_scaling = svm_has(SVM_TSC_RATE);
	hw_caps.pause_filter = svm_has(SVM_PAUSE_FILTER);
	hw_caps.vgif = false;		/* nothing uses it before nested guests do */
	hw_caps.xsaves = boot_cpu_has(X86_FEATURE_XSAVES);
	hw_caps.spec_ctrl_virt = svm_has(SVM_V_SPEC_CTRL) && boot_cpu_has(X86_FEATURE_V_SPEC_CTRL);
	hw_caps.tsc_scaling_frac_bits = 32;
	hw_caps.default_tsc_scaling_ratio = SVM_TSC_RATIO_DEFAULT;
	hw_caps.max_tsc_scaling_ratio = SVM_TSC_RATIO_MAX;
}

static void svm_free_cpu(struct svm_cpu *cpu)
{
	free_page((unsigned long)cpu->host_save_page);
	free_page((unsigned long)cpu->hsave_page);
	cpu->host_save_page = NULL;
	cpu->hsave_page = NULL;
}

static int svm_alloc_cpu(struct svm_cpu *cpu)
{
	cpu->host_save_page = (void *)get_zeroed_page(GFP_KERNEL);
	cpu->hsave_page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cpu->host_save_page || !cpu->hsave_page) {
		svm_free_cpu(cpu);
		return -ENOMEM;
	}
	cpu->host_save = __sme_set(virt_to_phys(cpu->host_save_page));
	cpu->asid_generation = GENERATION_CPU_OFF;
	return 0;
}

static int svm_alloc_iopm(void)
{
	svm.iopm = (void *)__get_free_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm.iopm)
		return -ENOMEM;
	memset(svm.iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
	svm.iopm_pa = __sme_set(virt_to_phys(svm.iopm));
	return 0;
}

int hw_setup(void)
{
	int cpu;

	svm.features = cpuid_edx(SVM_CPUID_FUNC) & SVM_USED;
	svm.max_asid = cpuid_ebx(SVM_CPUID_FUNC) - 1;
	/* NPT memory types index the host's PAT (APM 2, 15.25.8), like the kernel's own tables. */
	svm_memtypes[HW_MEM_WB] = cachemode2protval(_PAGE_CACHE_MODE_WB);
	svm_memtypes[HW_MEM_UC] = cachemode2protval(_PAGE_CACHE_MODE_UC);
	svm_memtypes[HW_MEM_WC] = cachemode2protval(_PAGE_CACHE_MODE_WC);
	svm_fill_caps();
	if (svm_alloc_iopm())
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		if (svm_alloc_cpu(svm_cpu(cpu))) {
			hw_teardown();
			return -ENOMEM;
		}
	}
	return 0;
}

void hw_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		svm_free_cpu(svm_cpu(cpu));
	free_pages((unsigned long)svm.iopm, IOPM_ORDER);
	svm.iopm = NULL;
}

/* ------------------------------------------------------------------ on and off */

int hw_enable_cpu(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(virt_to_phys(cpu->hsave_page)));
	cpu->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	/* Of a constant sparse says that the header's macro cuts it. */
	if (svm_has(SVM_TSC_RATE))
		wrmsrl(MSR_AMD64_TSC_RATIO, READ_ONCE(cpu->tsc_ratio));
	cpu->last_vcpu = 0;
	flaws_enable_cpu();
	/*
	 * Whatever the TLB holds under guests' ASIDs is from someone else's time: the first entry
	 * flushes all.
	 */
	hw_flush_tlb_cpu();
	return 0;
}

void hw_disable_cpu(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);
	u64 efer;

	/* No vCPU enters any more. */
	WRITE_ONCE(cpu->asid_generation, GENERATION_CPU_OFF);
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/*
	 * From a crash that came between CLGI and STGI: NMI and INIT would stay blocked for the
	 * next kernel. Only possible while SVME is set.
	 */
	svm_stgi();
	flaws_disable_cpu();
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

/* Off goes by EFER alone, which is the first to be set and the last to be cleared. */
void hw_crash_cpu(void)
{
	hw_disable_cpu();
}

/* ------------------------------------------------------------------ ASIDs */

void hw_flush_tlb_cpu(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);

	/* Everyone needs a new ASID; the first to ask for one finds none left, which flushes. */
	cpu->next_asid = svm.max_asid + 1;
	cpu->asid_generation = ++cpu->last_generation;
}

/*
 * Give @hw an ASID of its CPU that no translation is tagged with. IRQs off. When they are used up
 * all begin again: VMRUN flushes the whole TLB once, and every ASID given before is void.
 */
static void asid_assign(struct hw_vcpu *hw)
{
	struct svm_cpu *cpu = hw->cpu;

	if (cpu->next_asid > svm.max_asid) {
		cpu->next_asid = 1;	/* 0 is the host */
		cpu->asid_generation = ++cpu->last_generation;
		hw->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	hw->vmcb->control.asid = cpu->next_asid++;
	hw->asid_generation = cpu->asid_generation;
	vmcb_changed(hw, CLEAN_ASID);
}

bool asid_renew(struct hw_vcpu *hw)
{
	if (READ_ONCE(hw->cpu->asid_generation) == GENERATION_CPU_OFF)
		return false;
	asid_assign(hw);
	return true;
}

void asid_distrust(struct hw_vcpu *hw)
{
	hw->asid_generation = 0;
	hw->work |= WORK_ASID;
	hw->cpu->next_asid = svm.max_asid + 1;
}

void hw_flush_tlb_all(struct hw_vcpu *hw)
{
	/*
	 * TLB_CONTROL is 0 again after the entry. Without flush by ASID a fresh ASID is cheaper
	 * than flushing everybody.
	 */
	if (svm_has(SVM_FLUSH_BY_ASID)) {
		hw->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
		return;
	}
	hw->asid_generation = 0;
	hw->work |= WORK_ASID;
}

void hw_flush_tlb_gva(struct hw_vcpu *hw, gva_t gva)
{
	/* Of an ASID that is void nothing will be used anyway. */
	if (hw->asid_generation && hw->asid_generation == hw->cpu->asid_generation)
		svm_invlpga(gva, hw->vmcb->control.asid);
}
