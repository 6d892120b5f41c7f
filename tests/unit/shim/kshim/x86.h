/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sources ask of the host's x86: MSRs in an array, features and XCR0 as the test sets them, an FPU of bytes. */
#ifndef KSHIM_X86_H
#define KSHIM_X86_H
#include "kshim/sched.h"

#define _PAGE_PRESENT	0x1ul
#define _PAGE_RW	0x2ul
#define _PAGE_USER	0x4ul
#define _PAGE_PWT	0x8ul
#define _PAGE_PCD	0x10ul
#define _PAGE_ACCESSED	0x20ul
#define _PAGE_DIRTY	0x40ul
#define _PAGE_PSE	0x80ul
#define _PAGE_GLOBAL	0x100ul
#define _PAGE_NX	(1ul << 63)

/* Host MSRs: 64 of them, whichever are used. */
u64 *shim_msr(u32 index);
#define rdmsrl(m, v)	((v) = *shim_msr(m))
#define wrmsrl(m, v)	((void)(*shim_msr(m) = (v)))
#define rdmsrl_safe(m, p)	(*(p) = *shim_msr(m), 0)
#define wrmsrl_safe(m, v)	(*shim_msr(m) = (v), 0)
#define wrmsr(m, lo, hi)	wrmsrl(m, (u64)(u32)(lo) | (u64)(hi) << 32)
#define native_read_msr(m)	(*shim_msr(m))
#define native_wrmsrl	wrmsrl
#define native_write_msr(m, lo, hi)	wrmsr(m, lo, hi)
#define __rdmsr(m)	(*shim_msr(m))
#define paravirt_write_msr wrmsr

#include <arch/x86/include/asm/cpufeatures.h>
#include <arch/x86/include/asm/msr-index.h>
#include <arch/x86/include/uapi/asm/processor-flags.h>
struct cpuinfo_x86 { u8 x86, x86_vendor, x86_model, x86_phys_bits, x86_virt_bits, x86_stepping; u32 x86_power, microcode, cpuid_level, x86_capability[32]; };
extern struct cpuinfo_x86 boot_cpu_data;
#define shim_cpu_caps	boot_cpu_data.x86_capability	/* words as <asm/cpufeatures.h> counts them */
#define cpu_data(c)	boot_cpu_data
#define X86_VENDOR_INTEL	0
#define X86_VENDOR_AMD		2
#define X86_VENDOR_HYGON	9
#define boot_cpu_has(f)	((shim_cpu_caps[(f) / 32] >> ((f) % 32)) & 1)
#define cpu_feature_enabled	boot_cpu_has
#define static_cpu_has	boot_cpu_has
#define this_cpu_has	boot_cpu_has
#define boot_cpu_has_bug(b)	0
/* What the kernel says of a split lock of the guest's, and how often it was asked. */
extern bool shim_split_lock_ok;
extern unsigned long shim_split_locks;
#define handle_guest_split_lock(ip)	(shim_split_locks++, shim_split_lock_ok)
/* > 0: perf knows that VMX is on. */
extern int shim_pt_vmx;
#define intel_pt_handle_vmx(on)	((void)(shim_pt_vmx += (on) ? 1 : -1))
struct shim_cpuid { u32 leaf, index, eax, ebx, ecx, edx; };
extern struct shim_cpuid shim_cpuid[64];	/* what the host's CPUID says; the rest is 0 */
void cpuid_count(u32 leaf, u32 index, u32 *a, u32 *b, u32 *c, u32 *d);
#define cpuid(l, a, b, c, d)	cpuid_count(l, 0, a, b, c, d)
#define cpuid_eax(l)	({ u32 _a, _b, _c, _d; cpuid_count(l, 0, &_a, &_b, &_c, &_d); _a; })
#define cpuid_ebx(l)	({ u32 _a, _b, _c, _d; cpuid_count(l, 0, &_a, &_b, &_c, &_d); _b; })
#define cpuid_ecx(l)	({ u32 _a, _b, _c, _d; cpuid_count(l, 0, &_a, &_b, &_c, &_d); _c; })
#define cpuid_edx(l)	({ u32 _a, _b, _c, _d; cpuid_count(l, 0, &_a, &_b, &_c, &_d); _d; })

extern u64 shim_xcr0, shim_cr4;
extern u32 shim_pkru;
#define xgetbv(i)	shim_xcr0
#define xsetbv(i, v)	((void)(shim_xcr0 = (v)))
#define rdpkru()	shim_pkru
#define write_pkru(v)	((void)(shim_pkru = (v)))
#define wrpkru(v)	((void)(shim_pkru = (v)))
#define cr4_read_shadow()	shim_cr4
#define __read_cr3()	0ul
#define native_get_debugreg(n)	0ul
extern bool shim_breakpoints_active;
extern unsigned long shim_dr[8], shim_breakpoints_restored;
#define hw_breakpoint_active()	shim_breakpoints_active
#define hw_breakpoint_restore()	((void)shim_breakpoints_restored++)
#define get_debugreg(v, n)	((v) = shim_dr[n])
#define set_debugreg(v, n)	((void)(shim_dr[n] = (v)))
#ifndef DR_STEP
#define DR_STEP		0x4000
#endif
#define read_pkru()	shim_pkru

struct fxregs_state { u16 cwd, swd, twd, fop; u64 rip, rdp; u32 mxcsr, mxcsr_mask, st_space[32], xmm_space[64], padding[24]; };
struct xstate_header { u64 xfeatures, xcomp_bv, reserved[6]; };
struct xregs_state { struct fxregs_state i387; struct xstate_header header; u8 extended_state_area[]; };
struct fpstate { u64 user_xfeatures, xfeatures; unsigned int size, user_size; bool is_guest; u8 regs[4096] __aligned(64); };
struct fpu_guest { u64 xfeatures, perm, xfd_err; unsigned int uabi_size; struct fpstate *fpstate; };
#define kernel_fpu_begin()	do { } while (0)
#define kernel_fpu_end()	do { } while (0)
#define switch_fpu_return()	((void)(current->tif &= ~_TIF_NEED_FPU_LOAD))
#define fpregs_assert_state_consistent()	do { } while (0)
#define fpregs_mark_activate()	do { } while (0)
#define fpregs_lock	preempt_disable
#define fpregs_unlock	preempt_enable
bool fpu_alloc_guest_fpstate(struct fpu_guest *g);
void fpu_free_guest_fpstate(struct fpu_guest *g);
#define fpu_swap_kvm_fpstate(g, enter)	({ (void)(g); 0; })
#define fpu_sync_guest_vmexit_xfd_state()	do { } while (0)
#define fpstate_clear_xstate_component(f, c)	do { } while (0)
#define fpu_copy_guest_fpstate_to_uabi(g, b, s, x, p)	((void)(x), memcpy(b, (g)->fpstate->regs, min_t(unsigned int, s, 4096)))
#define fpu_copy_uabi_to_guest_fpstate(g, b, x, p)	(memcpy((g)->fpstate->regs, b, 4096), 0)
#define xstate_required_size(x, c)	(576u)

enum cpuid_leafs { CPUID_1_EDX, CPUID_8000_0001_EDX, CPUID_8086_0001_EDX, CPUID_LNX_1, CPUID_1_ECX, CPUID_C000_0001_EDX, CPUID_8000_0001_ECX, CPUID_LNX_2,
	CPUID_LNX_3, CPUID_7_0_EBX, CPUID_D_1_EAX, CPUID_LNX_4, CPUID_7_1_EAX, CPUID_8000_0008_EBX, CPUID_6_EAX, CPUID_8000_000A_EDX, CPUID_7_ECX, CPUID_8000_0007_EBX, CPUID_7_EDX };
#define XCR_XFEATURE_ENABLED_MASK	0
#define XFEATURE_MASK_FP	0x1ull
#define XFEATURE_MASK_SSE	0x2ull
#define XFEATURE_MASK_FPSSE	0x3ull
#define XFEATURE_MASK_YMM	0x4ull
#define XFEATURE_MASK_BNDREGS	0x8ull
#define XFEATURE_MASK_BNDCSR	0x10ull
#define XFEATURE_MASK_OPMASK	0x20ull
#define XFEATURE_MASK_ZMM_Hi256	0x40ull
#define XFEATURE_MASK_Hi16_ZMM	0x80ull
#define XFEATURE_MASK_XTILE	0x60000ull
#define XFEATURE_MASK_AVX512	0xe0ull
#define XFEATURE_MASK_PKRU	0x200ull
#define __sme_set(x)	(x)
#define __sme_clr(x)	(x)

struct cpuid_regs { u32 eax, ebx, ecx, edx; };
#define CPUID_EAX 0
#define CPUID_EBX 1
#define CPUID_ECX 2
#define CPUID_EDX 3
struct desc_ptr { u16 size; unsigned long address; } __packed;
struct pvclock_shim { char c; };
#define check_tsc_unstable()	0
#define mark_tsc_unstable(s)	do { } while (0)
/* What a thread is asked for on its way to user mode or to a guest; bits of task_struct.tif. */
#define TIF_NOTIFY_RESUME	1
#define TIF_SIGPENDING		2
#define TIF_NEED_RESCHED	3
#define TIF_SSBD		5
#define _TIF_SSBD		(1ul << TIF_SSBD)
#define TIF_IO_BITMAP		22
#define TIF_NEED_FPU_LOAD	14
#define _TIF_NOTIFY_RESUME	(1ul << TIF_NOTIFY_RESUME)
#define _TIF_SIGPENDING		(1ul << TIF_SIGPENDING)
#define _TIF_NEED_RESCHED	(1ul << TIF_NEED_RESCHED)
#define _TIF_NEED_FPU_LOAD	(1ul << TIF_NEED_FPU_LOAD)
#define XFER_TO_GUEST_MODE_WORK	(_TIF_NOTIFY_RESUME | _TIF_SIGPENDING | _TIF_NEED_RESCHED)
#define test_thread_flag(f)	(!!(read_thread_flags() & (1ul << (f))))
#define set_thread_flag(f)	((void)(current->tif |= 1ul << (f)))
#define read_thread_flags()	(current->tif | (shim_need_resched ? _TIF_NEED_RESCHED : 0) | (signal_pending(current) ? _TIF_SIGPENDING : 0))
#define task_work_pending(t)	((t)->task_works)
#define PF_VCPU			1
#define vtime_account_guest_enter()	((void)(current->flags |= PF_VCPU))
#define vtime_account_guest_exit()	((void)(current->flags &= ~(u64)PF_VCPU))
#define vtime_accounting_enabled_this_cpu()	false
#define context_tracking_enabled_this_cpu()	false
#define context_tracking_enabled() false
#define context_tracking_guest_enter()	do { } while (0)
#define context_tracking_guest_exit()	do { } while (0)
#define guest_state_enter_irqoff()	do { } while (0)
#define guest_state_exit_irqoff()	do { } while (0)
#define guest_timing_enter_irqoff()	do { } while (0)
#define guest_timing_exit_irqoff()	do { } while (0)
#define instrumentation_begin()	do { } while (0)
#define instrumentation_end()	do { } while (0)
#define xfer_to_guest_mode_prepare()	do { } while (0)
#define xfer_to_guest_mode_work_pending()	(shim_need_resched || signal_pending(current))
#define __xfer_to_guest_mode_work_pending xfer_to_guest_mode_work_pending
#define __set_cr4(x)	do { } while (0)
#define vcpu_is_preempted(c)	false

#endif
