/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the fuzzer share: random values, the world of VMs that the threads of one seed fight over, and the
 * table of operations.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>

/* Newer than Debian 12's headers. */
#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
	__u32 slot, flags;
	__u64 guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset;
	__u32 guest_memfd, pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa, size, flags, padding[5];
};
#define KVM_PRE_FAULT_MEMORY		_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
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
#define VMS		2
#define VCPUS		3		/* of each VM */
#define EVENTFDS	4
#define THREADS		4
#define RUN_PAGES	3		/* that a vCPU's fd can map */
#define RAM_SIZE	0x800000u	/* what the guests' memory comes from; mapped again and again, never moved */
#define CODE_GPA	0x10000u	/* random code, CODE_SIZE of it */
#define CODE_SIZE	0x8000u
#define TABLES_GPA	0x4000u		/* page tables that map 1 GB to itself, for each way of paging */
#define GUARDED		0x40000u	/* scratch memory of a thread, with nothing behind it */
#define MAX_OPS		96

/* A vCPU's file and its shared pages. Another thread may close the file or put a new one here at any time. */
struct fuzz_vcpu {
	_Atomic int fd;
	_Atomic(struct kvm_run *) run;	/* mapped for good: a page stays when its fd is closed */
};

struct fuzz_vm {
	_Atomic int fd;
	struct fuzz_vcpu vcpu[VCPUS];
};

struct record {
	const char *op;
	int fd;
	u64 arg[3];		/* first words of the argument */
	long ret;		/* or RUNNING */
};
#define RUNNING		0x7fffffffL
#define RECORDS		12

/* Shared with the parent, who tells of it when the seed doesn't end. */
struct journal {
	struct { u32 pos; struct record last[RECORDS]; } thread[THREADS];
	struct { _Atomic u32 ok, failed; } ops[MAX_OPS];
	_Atomic u32 exits[64];		/* of KVM_RUN, by reason */
};

struct world {
	u64 seed;
	bool long_mode;		/* the rule of sregs_tame() */
	int kvm, memfd;
	u8 *ram;
	int eventfd[EVENTFDS];
	struct fuzz_vm vm[VMS];
	struct journal *journal;
	u64 end_ns;
	u32 ops;		/* of each thread */
};

struct fuzzer {
	struct world *w;
	u32 number;
	u64 random;		/* state of the generator */
	u8 *scratch;		/* GUARDED bytes; an argument lies at the end of it or further in */
	u32 which;		/* index of the operation */
};

/* random.c */
u64 rnd(struct fuzzer *f);
u32 below(struct fuzzer *f, u32 n);			/* 0 … n - 1 */
bool chance(struct fuzzer *f, u32 percent);
u64 odd_value(struct fuzzer *f);			/* a number at which something ends */
u64 any_gpa(struct fuzzer *f);
void fill_random(struct fuzzer *f, void *p, size_t n);
void mutate(struct fuzzer *f, void *p, size_t n);	/* a few fields become odd values */

/* guest.c */
void guest_tables(struct world *w);
void guest_code(struct fuzzer *f);			/* new random code somewhere in CODE_SIZE */
u32 any_msr(struct fuzzer *f);
enum fuzz_mode { MODE_REAL, MODE_PROTECTED, MODE_LEGACY, MODE_PAE, MODE_LONG, MODES };
void mode_sregs(struct fuzzer *f, enum fuzz_mode mode, struct kvm_sregs *s);
void sregs_tame(struct world *w, struct kvm_sregs *s);
void mode_regs(struct fuzzer *f, struct kvm_regs *r);

/* ops.c */
enum target { ON_KVM, ON_VM, ON_VCPU };
struct op {
	const char *name;
	u8 target, weight;
	/* Does it on the file of @vm (and @vcpu); the result of the last system call that counts, errno with it. */
	long (*run)(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu);
	bool may_fail;		/* always: nothing is wrong with the fuzzer when it never succeeds */
};
extern const struct op ops[];
extern const u32 nr_ops;
void world_create(struct fuzzer *f);

/* ioctl.c */
long journaled(struct fuzzer *f, int fd, unsigned long request, void *arg);

#endif
