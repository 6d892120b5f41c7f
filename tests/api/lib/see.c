// SPDX-License-Identifier: GPL-2.0-only
/* The transcript, the verdict, and main(). */
#include <stdarg.h>
#include "api.h"

#define TIMEOUT_S	30

static int failures;

void see(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

long see_result(const char *name, long ret)
{
	int err = errno;

	if (ret < 0)
		see("%s = -%s", name, strerrorname_np(err));
	else
		see("%s = %ld", name, ret);
	errno = err;
	return ret;
}

void see_bytes(const char *name, const void *p, size_t n)
{
	const u8 *b = p;

	printf("%s:", name);
	for (size_t i = 0; i < n; i++)
		printf(" %02x", b[i]);
	putchar('\n');
}

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "UNKNOWN",
	[KVM_EXIT_EXCEPTION] = "EXCEPTION",
	[KVM_EXIT_IO] = "IO",
	[KVM_EXIT_HYPERCALL] = "HYPERCALL",
	[KVM_EXIT_DEBUG] = "DEBUG",
	[KVM_EXIT_HLT] = "HLT",
	[KVM_EXIT_MMIO] = "MMIO",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
	[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
	[KVM_EXIT_INTR] = "INTR",
	[KVM_EXIT_SET_TPR] = "SET_TPR",
	[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
	[KVM_EXIT_NMI] = "NMI",
	[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	[KVM_EXIT_IOAPIC_EOI] = "IOAPIC_EOI",
	[KVM_EXIT_X86_RDMSR] = "X86_RDMSR",
	[KVM_EXIT_X86_WRMSR] = "X86_WRMSR",
	[KVM_EXIT_X86_BUS_LOCK] = "X86_BUS_LOCK",
};

const char *exit_name(u32 reason)
{
	if (reason < ARRAY_SIZE(exit_names) && exit_names[reason])
		return exit_names[reason];
	return "?";
}

static void see_io(struct kvm_run *run)
{
	printf("exit IO %s port=0x%x size=%d count=%u", run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in",
	       run->io.port, run->io.size, run->io.count);
	if (run->io.direction == KVM_EXIT_IO_OUT)
		see_bytes(" data", (u8 *)run + run->io.data_offset, (size_t)run->io.size * run->io.count);
	else
		putchar('\n');
}

static void see_mmio(struct kvm_run *run)
{
	printf("exit MMIO %s gpa=0x%llx len=%u", run->mmio.is_write ? "write" : "read", run->mmio.phys_addr,
	       run->mmio.len);
	if (run->mmio.is_write)
		see_bytes(" data", run->mmio.data, run->mmio.len <= 8 ? run->mmio.len : 8);
	else
		putchar('\n');
}

void see_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		see_io(run);
		break;
	case KVM_EXIT_MMIO:
		see_mmio(run);
		break;
	case KVM_EXIT_DEBUG:
		see("exit DEBUG exception=%u pc=0x%llx dr6=0x%llx dr7=0x%llx", run->debug.arch.exception,
		    run->debug.arch.pc, run->debug.arch.dr6, run->debug.arch.dr7);
		break;
	case KVM_EXIT_IOAPIC_EOI:
		see("exit IOAPIC_EOI vector=0x%x", run->eoi.vector);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		see("exit INTERNAL_ERROR suberror=%u", run->internal.suberror);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		see("exit %s index=0x%x reason=0x%x data=0x%llx", exit_name(run->exit_reason), run->msr.index,
		    run->msr.reason, run->exit_reason == KVM_EXIT_X86_WRMSR ? run->msr.data : 0);
		break;
	default:
		see("exit %s (%u)", exit_name(run->exit_reason), run->exit_reason);
	}
}

void see_guest_result(struct vcpu *v, int result)
{
	for (int i = 0; i < v->nreports; i++)
		see("vcpu %d says 0x%x", v->id, v->reports[i]);
	if (result == GO_DONE)
		see("vcpu %d done", v->id);
	else if (result == GO_EXCEPTION)
		see("vcpu %d has an unexpected exception", v->id);
	else if (result < 0)
		see("vcpu %d KVM_RUN = -%s", v->id, strerrorname_np(-result));
	else
		see_exit(v);
}

void see_log(struct vm *vm)
{
	struct guest_shared *s = shared(vm);
	struct guest_event *e = gpa_ptr(vm, GUEST_LOG);

	see("%u events", s->nlog);
	for (u32 i = 0; i < s->nlog && i < GUEST_LOG_MAX; i++, e++) {
		printf("event vector=%llu", (unsigned long long)e->vector);
		if (e->vector < 32)
			printf(" error=0x%llx rip=0x%llx", (unsigned long long)e->error, (unsigned long long)e->rip);
		if (e->vector == 14)
			printf(" cr2=0x%llx", (unsigned long long)e->cr2);
		putchar('\n');
	}
}

static const struct {
	const char *name;
	size_t offset;
} reg_names[] = {
#define R(n) { #n, offsetof(struct kvm_regs, n) }
	R(rax), R(rbx), R(rcx), R(rdx), R(rsi), R(rdi), R(rsp), R(rbp), R(r8), R(r9), R(r10), R(r11), R(r12), R(r13),
	R(r14), R(r15), R(rip), R(rflags),
#undef R
};

/* Say the registers that are named, separated by blanks. */
void see_regs(struct vcpu *v, const char *names)
{
	struct kvm_regs regs;
	char buf[256], *save, *n;

	get_regs(v, &regs);
	snprintf(buf, sizeof(buf), "%s", names);
	for (n = strtok_r(buf, " ", &save); n; n = strtok_r(NULL, " ", &save)) {
		for (size_t i = 0; i < ARRAY_SIZE(reg_names); i++) {
			if (strcmp(reg_names[i].name, n) == 0)
				see("%s = 0x%llx", n, *(unsigned long long *)((char *)&regs + reg_names[i].offset));
		}
	}
}

void fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: failed: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	failures++;
}

void stop_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: cannot go on: %s (%s)\n", file, line, what, strerrorname_np(errno));
	fflush(stdout);
	_exit(1);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(stdout);
	_exit(77);
}

/* Every program that needs a capability says so, and is skipped where it is not advertised. */
void need_cap_named(struct vm *vm, int cap, const char *name)
{
	if (vm_cap(vm, cap) > 0)
		return;
	see("%s is not advertised", name);
	skip("%s is not advertised", name);
}

static void kicked(int sig)
{
	(void)sig;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGUSR1, kicked);
	/* Unhandled, so that it also ends a thread that waits for a vCPU's mutex. */
	alarm(TIMEOUT_S);
	test();
	fflush(stdout);
	_exit(failures ? 1 : 0);
}
