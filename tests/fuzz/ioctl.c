// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer of /dev/kvm: README.md.
 *
 *	ioctl [-s SEED] [-n SEEDS] [-o OPS] [-v]
 *
 * Each seed is a process with a few VMs and THREADS threads that do random operations on them, all at once. It fails
 * when one doesn't end, dies, or leaves a host on which a plain VM doesn't run; what the kernel complains of is for
 * its log. Exit status: 0 or 1.
 */
#include "fuzz.h"

#define SEED_SECONDS	8		/* of time to work, unless its operations are done before */
#define SEED_LIMIT	60		/* seconds after which a seed counts as hung */
#define DEFAULT_SEEDS	20
#define KICK_MS		15		/* between two signals that end a KVM_RUN */

static bool verbose;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ------------------------------------------------------------------ the journal */

/* Of an argument, if it is one of ours and not a number or a bad pointer. */
static u64 word_at(struct fuzzer *f, u64 arg, u32 i)
{
	u64 offset = arg - (u64)f->scratch + 8 * i, word = 0;

	if (offset <= GUARDED - 8)
		memcpy(&word, f->scratch + offset, 8);
	return word;
}

long journaled(struct fuzzer *f, int fd, unsigned long request, void *arg)
{
	struct record *r = &f->w->journal->thread[f->number].last[f->w->journal->thread[f->number].pos++ % RECORDS];
	u32 i;

	*r = (struct record) { .op = ops[f->which].name, .fd = fd, .ret = RUNNING, .arg = { (u64)arg } };
	for (i = 0; i < 3 && arg; i++)
		r->arg[i] = word_at(f, (u64)arg, i);
	if (verbose)
		fprintf(stderr, "%u %s fd %d %lx %p: %llx %llx %llx\n", f->number, r->op, fd, request, arg, (unsigned long long)r->arg[0],
			(unsigned long long)r->arg[1], (unsigned long long)r->arg[2]);
	r->ret = ioctl(fd, request, arg);
	if (r->ret < 0)
		r->ret = -errno;
	if (verbose)
		fprintf(stderr, "%u = %ld\n", f->number, r->ret);
	return r->ret;
}

static void print_journal(const struct journal *j)
{
	u32 i, k;

	for (i = 0; i < THREADS; i++) {
		for (k = 0; k < RECORDS; k++) {
			const struct record *r = &j->thread[i].last[(j->thread[i].pos + k) % RECORDS];

			if (r->op)
				fprintf(stderr, "  thread %u: %s fd %d: %llx %llx %llx = %ld%s\n", i, r->op, r->fd, (unsigned long long)r->arg[0],
					(unsigned long long)r->arg[1], (unsigned long long)r->arg[2], r->ret == RUNNING ? 0 : r->ret,
					r->ret == RUNNING ? " (not ended)" : "");
		}
	}
}

/* ------------------------------------------------------------------ one seed */

static const struct op *choose(struct fuzzer *f)
{
	u32 sum = 0, i, n;

	for (i = 0; i < nr_ops; i++)
		sum += ops[i].weight;
	n = below(f, sum);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	f->which = i;
	return &ops[i];
}

static void one_op(struct fuzzer *f)
{
	const struct op *op = choose(f);
	struct fuzz_vm *vm = &f->w->vm[below(f, VMS)];
	struct fuzz_vcpu *vcpu = &vm->vcpu[below(f, VCPUS)];

	if (op->target == ON_VCPU && vcpu->fd < 0)
		return;
	if (op->run(f, vm, op->target == ON_VCPU ? vcpu : NULL) < 0)
		f->w->journal->ops[f->which].failed++;
	else
		f->w->journal->ops[f->which].ok++;
}

static void on_signal(int number)
{
	(void)number;
}

/* Signals to this thread for as long as it lives: whatever it waits for in KVM_RUN, it comes back. */
static void kick_often(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1, ._sigev_un._tid = syscall(SYS_gettid) };
	struct itimerspec often = { { 0, KICK_MS * 1000000 }, { 0, KICK_MS * 1000000 } };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &often, NULL))
		exit(2);
}

static void *thread(void *arg)
{
	struct fuzzer *f = arg;
	u32 i;

	kick_often();
	for (i = 0; i < f->w->ops && now_ns() < f->w->end_ns; i++)
		one_op(f);
	return NULL;
}

static void fuzzer_init(struct fuzzer *f, struct world *w, u32 number)
{
	f->w = w;
	f->number = number;
	f->random = w->seed * 0x100 + number;
	f->scratch = mmap(NULL, GUARDED + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->scratch == MAP_FAILED || mprotect(f->scratch + GUARDED, PAGE_SIZE, PROT_NONE))
		exit(2);
}

static void seed_run(struct world *w)
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct fuzzer fuzzers[THREADS];
	pthread_t threads[THREADS];
	u32 i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	w->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	w->long_mode = w->seed & 1;
	w->end_ns = now_ns() + SEED_SECONDS * 1000000000ull;
	for (i = 0; i < THREADS; i++)
		fuzzer_init(&fuzzers[i], w, i);
	world_create(&fuzzers[0]);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, &fuzzers[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	exit(0);	/* with everything open */
}

/* ------------------------------------------------------------------ seeds, and what came of them */

static bool ends_in_time(pid_t pid, int *status)
{
	u64 end = now_ns() + SEED_LIMIT * 1000000000ull;

	while (now_ns() < end) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		usleep(20000);
	}
	return false;
}

static bool seed_is_well(struct world *w)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		seed_run(w);
	if (!ends_in_time(pid, &status)) {
		fprintf(stderr, "seed %llu: no end after %d s\n", (unsigned long long)w->seed, SEED_LIMIT);
		print_journal(w->journal);
		kill(pid, SIGKILL);
		fprintf(stderr, "%s\n", ends_in_time(pid, &status) ? "killed" : "cannot be killed");
		return false;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	fprintf(stderr, "seed %llu: ended with status %x\n", (unsigned long long)w->seed, status);
	print_journal(w->journal);
	return false;
}

/* A guest that adds two numbers and says the sum: 0, or -errno. */
static int guest_adds(int vm, int vcpu, struct kvm_run *run, u8 *ram)
{
	static const u8 code[] = { 0x00, 0xd8, 0xe6, 0x80, 0xf4 };	/* add %bl, %al; out %al, $0x80; hlt */
	struct kvm_userspace_memory_region r = { .memory_size = PAGE_SIZE, .userspace_addr = (uintptr_t)ram };
	struct kvm_regs regs = { .rax = 40, .rbx = 2, .rflags = 2 };
	struct kvm_sregs s;

	memcpy(ram, code, sizeof(code));
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) || ioctl(vcpu, KVM_GET_SREGS, &s))
		return -errno;
	s.cs.base = s.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &regs) || ioctl(vcpu, KVM_RUN, 0))
		return -errno;
	return run->exit_reason == KVM_EXIT_IO && run->io.port == 0x80 && ((u8 *)run)[run->io.data_offset] == 42 ? 0 : -EIO;
}

static bool host_is_well(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), result;
	u8 *ram = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *run = mmap(NULL, RUN_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	result = run == MAP_FAILED || ram == MAP_FAILED ? -errno : guest_adds(vm, vcpu, run, ram);
	if (result)
		fprintf(stderr, "a plain guest doesn't run: files %d %d %d, %s, exit %u\n", kvm, vm, vcpu, strerror(-result),
			run == MAP_FAILED ? 0 : run->exit_reason);
	munmap(run, RUN_PAGES * PAGE_SIZE);
	munmap(ram, PAGE_SIZE);
	close(vcpu);
	close(vm);
	close(kvm);
	return !result;
}

/*
 * Operations that never succeed, and exits that never come, are what this program doesn't test any more. Some succeed rarely,
 * so that one or another may not have in so few seeds.
 */
static bool journal_is_full(const struct journal *j, u32 seeds)
{
	static const u32 exits[] = { KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN, KVM_EXIT_INTERNAL_ERROR };
	u32 i, missing = 0;
	bool full = true;

	for (i = 0; i < nr_ops; i++) {
		if (verbose)
			fprintf(stderr, "%s: %u ok, %u failed\n", ops[i].name, j->ops[i].ok, j->ops[i].failed);
		if (j->ops[i].ok || seeds < DEFAULT_SEEDS || ops[i].may_fail)
			continue;
		fprintf(stderr, "%s never succeeded, and failed %u times\n", ops[i].name, j->ops[i].failed);
		missing++;
	}
	if (missing > nr_ops / 20)
		full = false;
	for (i = 0; i < ARRAY_SIZE(j->exits); i++)
		if (j->exits[i])
			fprintf(stderr, "exit %u: %u\n", i, j->exits[i]);
	for (i = 0; i < ARRAY_SIZE(exits) && seeds >= DEFAULT_SEEDS; i++) {
		if (!j->exits[exits[i]]) {
			fprintf(stderr, "exit %u never came\n", exits[i]);
			full = false;
		}
	}
	return full;
}

int main(int argc, char **argv)
{
	u32 seeds = DEFAULT_SEEDS, i, bad = 0;
	struct world w = { .seed = 1, .ops = 400 };
	int option;

	while ((option = getopt(argc, argv, "s:n:o:v")) != -1) {
		if (option == 'v')
			verbose = true;
		else if (option == 's')
			w.seed = strtoull(optarg, NULL, 0);
		else if (option == 'n')
			seeds = strtoul(optarg, NULL, 0);
		else if (option == 'o')
			w.ops = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	w.journal = mmap(NULL, sizeof(*w.journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < seeds && !bad; i++, w.seed++) {
		u64 start = now_ns();

		printf("seed %llu", (unsigned long long)w.seed);
		fflush(stdout);
		memset(w.journal->thread, 0, sizeof(w.journal->thread));
		bad += !seed_is_well(&w) || !host_is_well();
		printf(" %llu ms\n", (unsigned long long)(now_ns() - start) / 1000000);
	}
	return bad || !journal_is_full(w.journal, seeds);
}
