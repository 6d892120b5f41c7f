// SPDX-License-Identifier: GPL-2.0-only
/* VMs, their memory, their vCPUs. */
#include "api.h"

#define MAX_EXITS	4000		/* a guest that exits more often is lost */

extern const char __guest_start[], __guest_end[];

void vm_create(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	for (int i = 0; i < MAX_VCPUS; i++)
		vm->vcpu[i].fd = -1;
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	must(vm->kvm >= 0);
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	must(vm->fd >= 0);
}

void vm_load_guest(struct vm *vm)
{
	must(__guest_start == (const char *)GUEST_CODE && __guest_end - __guest_start <= 0x10000);
	memcpy(vm->mem + GUEST_CODE, __guest_start, __guest_end - __guest_start);
}

int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

void vm_init(struct vm *vm)
{
	vm_create(vm);
	vm->size = RAM_SIZE;
	vm->mem = mmap(NULL, vm->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(vm->mem != MAP_FAILED);
	must(vm_slot(vm, 0, 0, 0, vm->size, vm->mem) == 0);
	vm_load_guest(vm);
}

void vm_irqchip(struct vm *vm)
{
	need_cap(vm, KVM_CAP_IRQCHIP);
	must_ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

void vm_split_irqchip(struct vm *vm, int pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { pins } };

	need_cap(vm, KVM_CAP_SPLIT_IRQCHIP);
	must_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

int vm_cap(struct vm *vm, int cap)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, cap);
}

void vm_destroy(struct vm *vm)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	for (int i = 0; i < MAX_VCPUS; i++) {
		if (vm->vcpu[i].fd < 0)
			continue;
		munmap(vm->vcpu[i].run, size);
		close(vm->vcpu[i].fd);
		vm->vcpu[i].fd = -1;
	}
	close(vm->fd);
	close(vm->kvm);
	if (vm->mem)
		munmap(vm->mem, vm->size);
	vm->mem = NULL;
}

int vm_enable(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &c);
}

struct vcpu *vcpu_create(struct vm *vm, int id)
{
	struct vcpu *v = &vm->vcpu[id];
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	must(size >= (int)sizeof(struct kvm_run));
	v->vm = vm;
	v->id = id;
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	must(v->fd >= 0);
	v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	must(v->run != MAP_FAILED);
	return v;
}

void *gpa_ptr(struct vm *vm, u64 gpa)
{
	must(gpa < vm->size);
	return vm->mem + gpa;
}

int vcpu_run(struct vcpu *v)
{
	return ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : 0;
}

static bool is_out(struct vcpu *v, int port)
{
	return v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == port &&
	       v->run->io.direction == KVM_EXIT_IO_OUT;
}

int vcpu_go(struct vcpu *v)
{
	int ret;

	while ((ret = vcpu_run(v)) == 0 || ret == -EAGAIN) {
		/* A vCPU that waited for SIPI says -EAGAIN when it has begun. */
		if (ret)
			continue;
		if (is_out(v, PORT_REPORT) && v->nreports < MAX_REPORTS) {
			v->reports[v->nreports++] = *(u32 *)((u8 *)v->run + v->run->io.data_offset);
			continue;
		}
		if (is_out(v, PORT_DONE))
			return GO_DONE;
		if (is_out(v, PORT_EXCEPTION))
			return GO_EXCEPTION;
		return v->run->exit_reason;
	}
	return ret;
}

int see_guest(struct vcpu *v)
{
	int ret;

	v->nreports = 0;
	ret = vcpu_go(v);
	see_guest_result(v, ret);
	if (ret == GO_EXCEPTION)
		see_log(v->vm);
	return ret;
}

static void *go_thread(void *arg)
{
	struct vcpu *v = arg;

	v->result = vcpu_go(v);
	return NULL;
}

void vcpu_go_thread(struct vcpu *v)
{
	v->nreports = 0;
	must(pthread_create(&v->thread, NULL, go_thread, v) == 0);
}

int vcpu_join(struct vcpu *v)
{
	must(pthread_join(v->thread, NULL) == 0);
	return v->result;
}

void vcpu_kick(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	must(pthread_kill(v->thread, SIGUSR1) == 0);
}

/* A read gives 0x11, 0x22, 0x33 … in the order of the bytes. */
void fill_read(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u8 *p = run->mmio.data;
	u32 n = run->mmio.len;

	if (run->exit_reason == KVM_EXIT_IO) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			return;
		p = (u8 *)run + run->io.data_offset;
		n = run->io.size * run->io.count;
	} else if (run->mmio.is_write) {
		return;
	}
	for (u32 i = 0; i < n; i++)
		p[i] = 0x11 * (i % 15 + 1);
}

enum exits_mode { SAY, QUIET };

static int exits(struct vcpu *v, enum exits_mode mode)
{
	for (int i = 0; i < MAX_EXITS; i++) {
		int ret = vcpu_run(v);

		if (ret) {
			see("KVM_RUN = -%s", strerrorname_np(-ret));
			return ret;
		}
		if (mode == SAY)
			see_exit(v);
		if (v->run->exit_reason != KVM_EXIT_IO && v->run->exit_reason != KVM_EXIT_MMIO)
			return v->run->exit_reason;
		if (is_out(v, PORT_DONE))
			return GO_DONE;
		if (is_out(v, PORT_EXCEPTION))
			return GO_EXCEPTION;
		fill_read(v);
	}
	must(!"the guest comes to an end");
	return 0;
}

int see_exits(struct vcpu *v)
{
	return exits(v, SAY);
}

int quiet_exits(struct vcpu *v)
{
	return exits(v, QUIET);
}

u64 stat_of(int fd, const char *name)
{
	struct kvm_stats_header h;
	u64 value = 0;
	int stats = ioctl(fd, KVM_GET_STATS_FD, 0);

	must(stats >= 0 && pread(stats, &h, sizeof(h), 0) == sizeof(h));
	for (u32 i = 0; i < h.num_desc; i++) {
		size_t size = sizeof(struct kvm_stats_desc) + h.name_size;
		struct kvm_stats_desc *d = calloc(1, size);

		must(pread(stats, d, size, h.desc_offset + i * size) == (ssize_t)size);
		if (strcmp(d->name, name) == 0)
			must(pread(stats, &value, 8, h.data_offset + d->offset) == 8);
		free(d);
	}
	close(stats);
	return value;
}
