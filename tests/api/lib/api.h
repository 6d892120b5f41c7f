/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of tests/api share: a VM with memory and guest code, its vCPUs, a transcript of what was seen.
 *
 * Each program defines test(). What it observes it says with see*(), on stdout; what it knows must be so it says
 * with check(), which goes to stderr and makes the program fail. The transcript holds nothing that varies from run to
 * run, since it is compared with the one that Linux's own KVM gives on the same host.
 */
#ifndef TESTS_API_LIB_API_H
#define TESTS_API_LIB_API_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include "guest.h"

/* What the headers of Debian 12 don't have yet. */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2		231
#define KVM_SET_USER_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
struct kvm_userspace_memory_region2 {
	uint32_t slot, flags;
	uint64_t guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset;
	uint32_t guest_memfd, pad1;
	uint64_t pad2[14];
};
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES		235
#endif
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY	236
#define KVM_PRE_FAULT_MEMORY		_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
struct kvm_pre_fault_memory {
	uint64_t gpa, size, flags, padding[5];
};
#endif
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS	237
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE	4096
#define MAX_VCPUS	8
#define MAX_REPORTS	256
#define RAM_SIZE	0x200000u		/* default guest memory, from GPA 0 */
#define MMIO_BASE	0xd0000000u		/* never backed by memory */

struct vm;

struct vcpu {
	int fd, id;
	bool has_cpuid;			/* set_cpuid_supported() was done, or is not wanted */
	struct kvm_run *run;
	struct vm *vm;
	pthread_t thread;
	int result;			/* of vcpu_go() in a thread of its own */
	u32 reports[MAX_REPORTS];	/* what the guest sent to PORT_REPORT */
	int nreports;
};

struct vm {
	int kvm, fd;
	u8 *mem;
	size_t size;
	struct vcpu vcpu[MAX_VCPUS];
};

/* The test itself, defined by each program. */
void test(void);

extern const char guest_stubs[];		/* guest.S: the handler of vector n is at guest_stubs + 16 * n */

/* ---- transcript and verdict (see.c) ---- */
void see(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One line "name = value" or "name = -EINVAL"; gives the result back. */
long see_result(const char *name, long ret);
void see_bytes(const char *name, const void *p, size_t n);
void see_exit(struct vcpu *v);
void see_guest_result(struct vcpu *v, int result);
void see_log(struct vm *vm);
void see_regs(struct vcpu *v, const char *names);
void fail_at(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void stop_at(const char *file, int line, const char *what) __attribute__((noreturn));
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void need_cap_named(struct vm *vm, int cap, const char *name);
const char *exit_name(u32 reason);

#define check(cond) \
	do { \
		if (!(cond)) \
			fail_at(__FILE__, __LINE__, "%s", #cond); \
	} while (0)
#define check_eq(a, b) \
	do { \
		u64 a_ = (u64)(a), b_ = (u64)(b); \
		if (a_ != b_) \
			fail_at(__FILE__, __LINE__, "%s is 0x%llx, not 0x%llx (%s)", #a, \
				(unsigned long long)a_, (unsigned long long)b_, #b); \
	} while (0)
/* What the test cannot go on without. */
#define must(cond) \
	do { \
		if (!(cond)) \
			stop_at(__FILE__, __LINE__, #cond); \
	} while (0)
#define must_ioctl(fd, req, arg) \
	do { \
		if (ioctl(fd, req, arg) < 0) \
			stop_at(__FILE__, __LINE__, #req); \
	} while (0)
#define see_ioctl(fd, req, arg)		see_result(#req, ioctl(fd, req, arg))
#define need_cap(vm, cap)		need_cap_named(vm, cap, #cap)

/* ---- VM, memory, vCPUs (vm.c) ---- */
void vm_create(struct vm *vm);			/* /dev/kvm and an empty VM */
void vm_init(struct vm *vm);			/* and RAM_SIZE of memory with the guest code in it */
void vm_irqchip(struct vm *vm);			/* PIC, IOAPIC, LAPICs in the kernel; before the vCPUs */
void vm_split_irqchip(struct vm *vm, int pins);
void vm_destroy(struct vm *vm);			/* close everything */
void vm_load_guest(struct vm *vm);		/* copy the guest code (again) to its place */
int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);	/* the ioctl's result */
int vm_cap(struct vm *vm, int cap);
int vm_enable(struct vm *vm, u32 cap, u64 arg);	/* KVM_ENABLE_CAP's result */
struct vcpu *vcpu_create(struct vm *vm, int id);
int vcpu_run(struct vcpu *v);			/* KVM_RUN: 0 or -errno */
u64 stat_of(int fd, const char *name);		/* of a VM or a vCPU; 0 when there is none of that name */
void *gpa_ptr(struct vm *vm, u64 gpa);
static inline struct guest_shared *shared(struct vm *vm) { return gpa_ptr(vm, GUEST_SHARED); }
static inline u32 *counts(struct vcpu *v) { return gpa_ptr(v->vm, GUEST_COUNTS + v->id * 0x400); }

/* Results of vcpu_go(), beside -errno and exit reasons. */
#define GO_DONE		0x1000			/* the guest wrote PORT_DONE */
#define GO_EXCEPTION	0x1001			/* the guest took an exception that nobody expected */

/* Run until something other than a report happens: GO_*, an exit reason, or -errno. */
int vcpu_go(struct vcpu *v);
/* The same, then say all that came out. */
int see_guest(struct vcpu *v);
void vcpu_go_thread(struct vcpu *v);		/* vcpu_go() in a thread */
int vcpu_join(struct vcpu *v);			/* its result */
void vcpu_kick(struct vcpu *v);			/* KVM_RUN in its thread returns -EINTR, now or when it is called next */
/*
 * Run and say every exit until the one that is neither PIO nor MMIO; MMIO and PIO reads give a
 * counting pattern.
 */
int see_exits(struct vcpu *v);
int quiet_exits(struct vcpu *v);		/* the same, unsaid */
void fill_read(struct vcpu *v);			/* the pattern, into the exit that is a read */

/* ---- vCPU modes (modes.c): entry is a GUEST label; registers are cleared ---- */
void vcpu_real(struct vcpu *v, const char *entry);	/* CS base GUEST_CODE, other bases 0 */
void vcpu_prot(struct vcpu *v, const char *entry);	/* 32 bits, flat, no paging */
void vcpu_long(struct vcpu *v, const char *entry);	/* 64 bits, identity map of 4 GB, IDT with the handlers of guest.S,
							   CPUID as supported */
void long_tables(struct vm *vm);			/* page tables, GDT, IDT; done by vcpu_long() */
void map_4k(struct vm *vm, u64 gva, u64 gpa, u64 flags);	/* in the tables of vcpu_long(); splits what is needed */
u64 *pte_of(struct vm *vm, u64 gva);			/* the 4 KB entry that map_4k() made */
void idt_gate(struct vm *vm, int vector, const char *handler, u8 type_dpl);

void get_regs(struct vcpu *v, struct kvm_regs *r);
void set_regs(struct vcpu *v, const struct kvm_regs *r);
void get_sregs(struct vcpu *v, struct kvm_sregs *s);
void set_sregs(struct vcpu *v, const struct kvm_sregs *s);
int get_msr(struct vcpu *v, u32 index, u64 *value);	/* number of MSRs read, or -errno */
int set_msr(struct vcpu *v, u32 index, u64 value);
u64 must_get_msr(struct vcpu *v, u32 index);
void set_cpuid_supported(struct vcpu *v);		/* KVM_SET_CPUID2 with what KVM_GET_SUPPORTED_CPUID says, once */
/*
 * The same with bits of ECX of a leaf added: what is a capability and not in
 * KVM_GET_SUPPORTED_CPUID.
 */
void set_cpuid_plus(struct vcpu *v, u32 function, u32 ecx_bits);
void set_mp_state(struct vcpu *v, u32 state);
u32 get_mp_state(struct vcpu *v);

/* ---- interrupts (irq.c) ---- */
void irq_line(struct vm *vm, u32 gsi, int level);
int msi(struct vm *vm, u64 addr, u32 data);		/* KVM_SIGNAL_MSI's result */
void set_ioapic_pin(struct vm *vm, int pin, u64 entry);
void lapic_enable(struct vcpu *v);			/* software-enable through KVM_SET_LAPIC, spurious vector 0xff */
void set_lapic_reg(struct vcpu *v, int offset, u32 value);	/* through KVM_SET_LAPIC */
u32 get_lapic_reg(struct vcpu *v, int offset);
bool lapic_pending(struct vcpu *v, int vector);		/* in IRR */
void see_irr(struct vcpu *v);				/* all that is in IRR */
void wait_count(struct vcpu *v, int vector, u32 count);	/* until the handler has run so often */
void msleep(int ms);
bool host_tsc_is_clock(void);				/* Linux in L1 keeps time by the TSC */

/*
 * Guest code: GUEST16/32/64(label, instructions). It is assembled into a section that is linked at the guest address it
 * is copied to, so a label's address is its guest address. Macros in it are expanded. In real mode CS.base is GUEST_CODE.
 */
#define GUEST_(bits, name, ...) \
	asm(".pushsection .guest, \"a\"\n.code" #bits "\n.globl " #name "\n" #name ":\n" #__VA_ARGS__ \
	    "\n.code64\n.popsection"); \
	extern const char name[]
#define GUEST16(name, ...)	GUEST_(16, name, __VA_ARGS__)
#define GUEST32(name, ...)	GUEST_(32, name, __VA_ARGS__)
#define GUEST64(name, ...)	GUEST_(64, name, __VA_ARGS__)

/* For guest code of 64 (and 32) bits. */
#define REPORT_EAX	out %eax, $PORT_REPORT
#define DONE		out %al, $PORT_DONE

#endif
