// SPDX-License-Identifier: GPL-2.0-only
/* A VM's own parameters in debugfs: what the module's defaults were, settable until there is a vCPU. Linux has no such file. */
#include <fcntl.h>
#include <sys/mount.h>
#include "lib/api.h"

static char path[128];
static int last;			/* errno of the last set() */

static int set(const char *what)
{
	int fd = open(path, O_WRONLY), r = fd < 0 ? fd : (int)write(fd, what, strlen(what));

	last = errno;
	if (fd >= 0)
		close(fd);
	errno = last;
	return r < 0 ? r : 0;
}

static unsigned int show(const char *name)
{
	char line[128], found[64];
	unsigned int val, seen = ~0u;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %u", found, &val) == 2 && !strcmp(found, name))
			seen = val;
	if (f)
		fclose(f);
	see("%s is %u", name, seen);
	return seen;
}

void test(void)
{
	struct vm vm;

	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	vm_init(&vm);
	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/params", getpid(), vm.fd);
	if (access(path, F_OK))
		skip("no parameters in debugfs");
	check(see_result("halt_poll_ns 1234", set("halt_poll_ns 1234")) == 0);
	check_eq(show("halt_poll_ns"), 1234);
	check(see_result("huge_pages 0", set("huge_pages 0")) == 0);
	check_eq(show("huge_pages"), 0);
	check(see_result("huge_pages 2", set("huge_pages 2")) < 0 && last == EINVAL);
	check(see_result("no_such 1", set("no_such 1")) < 0 && last == EINVAL);
	check(see_result("no value", set("halt_poll_ns")) < 0 && last == EINVAL);
	vcpu_create(&vm, 0);
	check(see_result("with a vCPU", set("halt_poll_ns 5")) < 0 && last == EBUSY);
	check_eq(show("halt_poll_ns"), 1234);
}
