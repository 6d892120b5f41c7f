// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD of a VM and of a vCPU: the form of header, descriptors and data. Which ones
 * there are is not compared.
 */
#include "lib/api.h"

/* A slot of one page, which can't be mapped large, whatever the kernel does with the rest. */
#define SMALL	0x40000000u

GUEST64(guest, mov $SMALL, %ebx; mov (%rbx), %eax; 1: out %al, $0x80; jmp 1b);

static void whole(int fd, void *p, size_t n, u64 offset)
{
	must(pread(fd, p, n, offset) == (ssize_t)n);
}

static void descriptors(int fd, const struct kvm_stats_header *h, const char *wanted)
{
	size_t size = sizeof(struct kvm_stats_desc) + h->name_size;
	struct kvm_stats_desc *d = calloc(1, size);
	bool found = false;

	for (u32 i = 0; i < h->num_desc; i++) {
		u64 value;

		whole(fd, d, size, h->desc_offset + i * size);
		check((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX);
		check((d->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		check((d->flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX);
		check(d->size > 0 && d->size <= 1024);
		check(d->name[0] && strnlen(d->name, h->name_size) < h->name_size);
		whole(fd, &value, 8, h->data_offset + d->offset);
		if (strcmp(d->name, wanted) == 0) {
			found = true;
			see("%s: %s", wanted, value ? "counted" : "zero");
		}
	}
	if (!found)
		see("%s: missing", wanted);
	free(d);
}

static void see_stats(const char *name, int fd, const char *wanted)
{
	struct kvm_stats_header h;
	char id[256] = "";
	char byte;

	see("%s: %s", name, fd >= 0 ? "a descriptor" : "none");
	must(fd >= 0);
	whole(fd, &h, sizeof(h), 0);
	see("flags=%u name_size=%u", h.flags, h.name_size);
	check(h.num_desc > 0 && h.id_offset >= sizeof(h) && h.desc_offset >= h.id_offset + h.name_size);
	check(h.data_offset >= h.desc_offset + h.num_desc * (sizeof(struct kvm_stats_desc) + h.name_size));
	whole(fd, id, h.name_size < 255 ? h.name_size : 255, h.id_offset);
	see("id begins with kvm-: %d", strncmp(id, "kvm-", 4) == 0);
	descriptors(fd, &h, wanted);
	see_result("write", write(fd, &byte, 1));
	see_result("read far behind the end", pread(fd, &byte, 1, 1 << 24));
	close(fd);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_BINARY_STATS_FD);
	must(vm_slot(&vm, 1, 0, SMALL, PAGE_SIZE, aligned_alloc(PAGE_SIZE, PAGE_SIZE)) == 0);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	for (int i = 0; i < 5; i++)
		must(vcpu_run(v) == 0);
	see_stats("VM", ioctl(vm.fd, KVM_GET_STATS_FD, 0), "pages_4k");
	see_stats("vCPU", ioctl(v->fd, KVM_GET_STATS_FD, 0), "exits");
}
