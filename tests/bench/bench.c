// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark. OP='cpuid eoi' chooses operations; without it all run. Each runs in a process of its own and gives a line
 *
 *     bench <operation> <median> <first quartile> <third quartile> <samples>
 *
 * in units of the TSC: instructions on an emulated host, cycles on a real one. When the host cannot do the operation, or when it fails:
 *
 *     bench <operation> - <why>
 *     bench <operation> ! <why>
 *
 * LIST=1 only writes the names of all operations.
 */
#include <ctype.h>
#include "bench.h"

#define TIMEOUT_S	600
#define SKIP_STATUS	77

/* Two stamps with nothing between: what every sample has too much. */
GUEST64(guest_empty, TOP; STAMP; STORE; AGAIN);

static const struct op *const tables[] = { exit_ops, memory_ops, interrupt_ops, life_ops };
static u32 samples[COUNT];
static u32 nsamples;

/* ---- a VM to measure in ---- */

void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0);
}

struct vcpu *add_vcpu(struct vm *vm, int id, enum mode mode, const char *entry)
{
	struct vcpu *v = vcpu_create(vm, id);

	set_cpuid_plus(v, 1, 1u << 24);				/* TSC-deadline, which is a capability */
	vcpu_long(v, entry);
	set_mp_state(v, KVM_MP_STATE_RUNNABLE);
	if (mode == X2APIC)
		must(set_msr(v, MSR_APIC_BASE, X2APIC_ON | (id ? 0 : 0x100)) == 1);
	lapic_enable(v);
	return v;
}

void begin(struct bench *b, enum mode mode)
{
	vm_init(&b->vm);
	vm_irqchip(&b->vm);
	b->v = add_vcpu(&b->vm, 0, mode, guest_empty);
	b->empty = 0;
	run_loop(b->v, guest_empty, 0, 0, COUNT);
	take(b, COUNT, 1);
	/* The least of them: no interrupt of the host in it. */
	b->empty = samples[0];
	for (u32 i = 1; i < nsamples; i++)
		b->empty = samples[i] < b->empty ? samples[i] : b->empty;
	nsamples = 0;
}

/* The shortest VMM there can be. */
static void serve(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	for (;;) {
		if (ioctl(v->fd, KVM_RUN, 0) != 0)
			must(errno == EINTR || errno == EAGAIN);
		else if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_DONE)
			return;
		else
			must((run->exit_reason == KVM_EXIT_IO && run->io.port != PORT_EXCEPTION) || run->exit_reason == KVM_EXIT_MMIO);
	}
}

void run_loop(struct vcpu *v, const char *loop, u64 rsi, u64 rbp, u32 count)
{
	struct kvm_regs r = {
		.rip = (uintptr_t)loop, .rflags = 0x202, .rsp = GUEST_STACK + (v->id + 1) * 0x1000,
		.rdi = GUEST_SAMPLES, .rsi = rsi, .rbp = rbp, .r9 = count,
	};

	must(count <= COUNT);
	*(u32 *)gpa_ptr(v->vm, GUEST_ANSWERS) = 0;
	set_regs(v, &r);
	serve(v);
}

/* ---- samples ---- */

void sample(u32 value)
{
	if (nsamples < COUNT)
		samples[nsamples++] = value;
}

void take(struct bench *b, u32 count, u32 each)
{
	const u32 *from = gpa_ptr(&b->vm, GUEST_SAMPLES);

	for (u32 i = 0; i < count; i++)
		sample((from[i] > b->empty ? from[i] - b->empty : 0) / each);
}

static int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

void report(const char *name)
{
	must(nsamples >= 1000);
	qsort(samples, nsamples, sizeof(samples[0]), by_value);
	if (wanted(name))
		printf("bench %s %u %u %u %u\n", name, samples[nsamples / 2], samples[nsamples / 4], samples[nsamples * 3 / 4], nsamples);
	nsamples = 0;
}

void cannot(const char *why)
{
	skip("%s", why);
}

bool host_flag(const char *flag)
{
	char line[8192], word[32];
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool found = false;

	must(f);
	snprintf(word, sizeof(word), " %s ", flag);
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = ' ';
		found = strstr(line, "flags") && strstr(line, word);
	}
	fclose(f);
	return found;
}

/* ---- which, and each in a process of its own ---- */

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += n) {
		if ((p == words || isspace(p[-1])) && (!p[n] || isspace(p[n])))
			return true;
	}
	return false;
}

bool wanted(const char *name)
{
	const char *op = getenv("OP");

	return !op || !*op || has_word(op, name);
}

/* Why an operation has no figure: for each of its names. */
static void report_missing(const char *names, char how, const char *why)
{
	char buf[256], *save, *name;

	snprintf(buf, sizeof(buf), "%s", names);
	for (name = strtok_r(buf, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		if (wanted(name))
			printf("bench %s %c %s\n", name, how, why);
	}
}

static bool any_wanted(const char *names)
{
	char buf[256], *save, *name;

	snprintf(buf, sizeof(buf), "%s", names);
	for (name = strtok_r(buf, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		if (wanted(name))
			return true;
	}
	return false;
}

static void child(const struct op *op, int err)
{
	dup2(err, 2);
	alarm(TIMEOUT_S);
	pin(0);
	op->run(op);
	fflush(stdout);
	_exit(0);
}

static void run_op(const struct op *op)
{
	char why[256] = "";
	int p[2], status;
	ssize_t n;
	pid_t pid;

	must(pipe(p) == 0);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		child(op, p[1]);
	close(p[1]);
	n = read(p[0], why, sizeof(why) - 1);
	must(waitpid(pid, &status, 0) == pid);
	close(p[0]);
	why[n > 0 ? n : 0] = '\0';
	why[strcspn(why, "\n")] = '\0';
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "signal %d", WTERMSIG(status));
	if (status)
		report_missing(op->names, WEXITSTATUS(status) == SKIP_STATUS ? '-' : '!', why);
	check(!status || WEXITSTATUS(status) == SKIP_STATUS);
}

static void list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct op *op = tables[i]; op->names; op++)
			printf("%s\n", op->names);
	}
}

void test(void)
{
	alarm(0);
	if (getenv("LIST")) {
		list();
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct op *op = tables[i]; op->names; op++) {
			if (any_wanted(op->names))
				run_op(op);
		}
	}
}
