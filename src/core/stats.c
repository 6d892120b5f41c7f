// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics as the VMM and debugfs read them: tables over the fields of stats.h.
 */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/string.h>
#include "core/compat.h"
#include "core/stats.h"

#define STAT_COUNT	(KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define STAT_NOW	(KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define STAT_TIME	(KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10)

#define STAT_NAME(name) #name,
static const char * const vcpu_stat_names[] = { VCPU_STATS(STAT_NAME) };
static const char * const vm_stat_names[] = { VM_STATS(STAT_NAME) };
#undef STAT_NAME

const struct stats_table vcpu_stats_table = { vcpu_stat_names, ARRAY_SIZE(vcpu_stat_names) };
const struct stats_table vm_stats_table = { vm_stat_names, ARRAY_SIZE(vm_stat_names) };

/* What is not a plain count says so in its name. */
static u32 stat_flags(const char *name)
{
	size_t len = strlen(name);

	if (len > 3 && !strcmp(name + len - 3, "_ns"))
		return STAT_TIME;
	if (!strcmp(name, "mmu_pages") || !strncmp(name, "pages_", 6))
		return STAT_NOW;
	return STAT_COUNT;
}

/* struct kvm_stats_desc as user space has it; inside newer kernels its name has a length. */
struct stats_desc_entry {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME_SIZE];
};

static void fill_desc(struct stats_desc_entry *entry, const struct stats_table *table, u32 i)
{
	memset(entry, 0, sizeof(*entry));
	entry->flags = stat_flags(table->names[i]);
	entry->exponent = entry->flags == STAT_TIME ? -9 : 0;
	entry->size = 1;
	entry->offset = i * sizeof(u64);
	strscpy(entry->name, table->names[i], sizeof(entry->name));
}

static void fill_header(struct kvm_stats_header *header, const struct stats_table *table)
{
	memset(header, 0, sizeof(*header));
	header->name_size = STATS_NAME_SIZE;
	header->num_desc = table->count;
	header->id_offset = sizeof(*header);
	header->desc_offset = header->id_offset + STATS_NAME_SIZE;
	header->data_offset = header->desc_offset + table->count * sizeof(struct stats_desc_entry);
}

/* One block of the file, at @start in it, as far as [*pos, *pos + *len) touches it. */
static ssize_t read_block(const void *block, size_t size, loff_t start, char __user **buf,
			  size_t *len, loff_t *pos)
{
	loff_t offset = *pos - start;
	ssize_t done = 0;

	if (offset >= 0 && offset < size) {
		done = simple_read_from_buffer(*buf, *len, &offset, block, size);
		if (done > 0) {
			*buf += done;
			*len -= done;
			*pos += done;
		}
	}
	return done;
}

ssize_t stats_read(const struct stats_table *table, const char *id, const u64 *values,
		   char __user *buf, size_t len, loff_t *pos)
{
	struct stats_desc_entry entry;
	struct kvm_stats_header header;
	size_t wanted = len;
	ssize_t err;
	u32 i;

	BUILD_BUG_ON(offsetof(struct kvm_stats_desc, name) !=
		     offsetof(struct stats_desc_entry, name));
	BUILD_BUG_ON(sizeof(struct kvm_stats_header) % 8 || STATS_NAME_SIZE % 8 || sizeof(entry) % 8);
	if (*pos < 0)
		return -EINVAL;
	fill_header(&header, table);
	err = read_block(&header, sizeof(header), 0, &buf, &len, pos);
	if (err >= 0)
		err = read_block(id, STATS_NAME_SIZE, header.id_offset, &buf, &len, pos);
	for (i = 0; err >= 0 && len && i < table->count; i++) {
		fill_desc(&entry, table, i);
		err = read_block(&entry, sizeof(entry), header.desc_offset + i * sizeof(entry),
				 &buf, &len, pos);
	}
	if (err >= 0)
		err = read_block(values, table->count * sizeof(u64), header.data_offset, &buf, &len,
				 pos);
	/* What went out before a fault counts. */
	return wanted != len ? wanted - len : err;
}
