// SPDX-License-Identifier: GPL-2.0-only
/* The file of KVM_GET_STATS_FD as a reader meets it (api.rst 4.133). */
#include "check.h"
#include "core/stats.c"

static const char id[STATS_NAME_SIZE] = "kvm-7/vcpu-3";
static struct vcpu_stats stats;
static u8 file[64 * 1024];

static size_t read_all(size_t step)
{
	loff_t pos = 0;
	ssize_t n;

	memset(file, 0xee, sizeof(file));
	while ((n = stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file + pos, step, &pos)) > 0)
		;
	CHECK_EQ(n, 0);
	return pos;
}

TEST(blocks)
{
	struct kvm_stats_header *h = (void *)file;
	size_t size;

	stats.exits = 11;
	stats.pause_exits = 22;
	stats.halt_wait_ns = 33;
	size = read_all(sizeof(file));
	CHECK_EQ(h->flags, 0);
	CHECK_EQ(h->name_size, STATS_NAME_SIZE);
	CHECK_EQ(h->num_desc, sizeof(stats) / sizeof(u64));
	CHECK(!(h->id_offset % 8) && !(h->desc_offset % 8) && !(h->data_offset % 8));
	CHECK_EQ(size, h->data_offset + sizeof(stats));
	CHECK(!strcmp((char *)file + h->id_offset, id));
	CHECK_MEM(file + h->data_offset, &stats, sizeof(stats));
}

static struct kvm_stats_desc *find(const char *name)
{
	struct kvm_stats_header *h = (void *)file;

	for (u32 i = 0; i < h->num_desc; i++) {
		struct kvm_stats_desc *d = (void *)(file + h->desc_offset + i * (offsetof(struct kvm_stats_desc, name) + h->name_size));

		if (!strcmp(d->name, name))
			return d;
	}
	FAIL("no %s", name);
}

TEST(descriptors)
{
	struct kvm_stats_header *h = (void *)file;

	stats.exits = 11;
	stats.pause_exits = 22;
	read_all(sizeof(file));
	CHECK_EQ(*(u64 *)(file + h->data_offset + find("exits")->offset), 11);
	CHECK_EQ(*(u64 *)(file + h->data_offset + find("pause_exits")->offset), 22);
	CHECK_EQ(find("exits")->flags, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE);
	CHECK_EQ(find("exits")->size, 1);
	CHECK_EQ(find("exits")->exponent, 0);
	CHECK_EQ(find("halt_wait_ns")->flags, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10);
	CHECK_EQ(find("halt_wait_ns")->exponent, -9);
}

TEST(vm_table)
{
	struct vm_stats vm = { .pages_2m = 5 };
	struct kvm_stats_header *h = (void *)file;
	loff_t pos = 0;

	CHECK(stats_read(&vm_stats_table, id, (u64 *)&vm, (char __user *)file, sizeof(file), &pos) > 0);
	CHECK_EQ(h->num_desc, sizeof(vm) / sizeof(u64));
	CHECK_EQ(find("pages_2m")->flags & KVM_STATS_TYPE_MASK, KVM_STATS_TYPE_INSTANT);
	CHECK_EQ(find("remote_tlb_flush")->flags & KVM_STATS_TYPE_MASK, KVM_STATS_TYPE_CUMULATIVE);
	CHECK_EQ(*(u64 *)(file + h->data_offset + find("pages_2m")->offset), 5);
}

/* In pieces of any length it is the same file. */
TEST(pieces)
{
	static u8 whole[sizeof(file)];
	static const size_t steps[] = { 1, 7, 8, 24, 63, 64, 100, 4096 };
	size_t size = read_all(sizeof(file));

	memcpy(whole, file, size);
	for (int i = 0; i < ARRAY_SIZE(steps); i++) {
		CHECK_EQ(read_all(steps[i]), size);
		CHECK_MEM(file, whole, size);
	}
}

TEST(edges)
{
	loff_t pos = -1;

	CHECK_EQ(stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file, 8, &pos), -EINVAL);
	pos = 1 << 30;
	CHECK_EQ(stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file, 8, &pos), 0);
	pos = 0;
	CHECK_EQ(stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file, 0, &pos), 0);
	/* A fault before anything went out, and after. */
	shim_fail_uaccess = 1;
	CHECK_EQ(stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file, 100, &pos), -EFAULT);
	CHECK_EQ(pos, 0);
	shim_fail_uaccess = 2;
	CHECK_EQ(stats_read(&vcpu_stats_table, id, (u64 *)&stats, (char __user *)file, 100, &pos), sizeof(struct kvm_stats_header));
	shim_fail_uaccess = 0;
}
