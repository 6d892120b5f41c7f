// SPDX-License-Identifier: GPL-2.0-only
/* Someone else who serves /dev/kvm. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations taken_fops = { .owner = THIS_MODULE };
static struct miscdevice taken = { .minor = KVM_MINOR, .name = "kvm", .fops = &taken_fops };

module_misc_device(taken);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Fixture of tests/boot/refuse-busy");
