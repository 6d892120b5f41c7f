// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's TCG: writes down every instruction that an emulated host executes from one mark of the benchmark to the next
 * (mark.h). Of all passes it keeps the most frequent: those that a timer's interrupt hit are longer. Arguments: out=<file>,
 * n=<which marks>. The file holds an array of struct insn. With profile=on it only counts how often each was executed in the last pass, which
 * may be long: an array of struct counted.
 *
 * The part of QEMU's plugin interface (version 1) that it uses is declared here, since Debian has no package with the header.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *data), int flags,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr, uint64_t imm);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#define EXPORT		__attribute__((visibility("default")))
#define MAX_PASS	(1 << 20)	/* instructions of a pass; a longer one is not kept */
#define MAX_KINDS	64		/* lengths of passes */
#define ADD_U64		0		/* the operation of qemu_plugin_register_vcpu_insn_exec_inline() */

EXPORT int qemu_plugin_version = 1;

enum mark { NONE, BEGIN, END };

/* As tools/kvmono/trace.py reads it. */
struct insn {
	uint64_t address;
	uint8_t size, bytes[15];
};

struct counted {
	struct insn insn;
	uint64_t times, guest;
};

/* What the callbacks get: QEMU keeps the pointer for as long as the translation lives, so it is never freed. */
struct translated {
	struct insn insn;
	enum mark mark;
	bool guest;
	uint64_t times, times_at_begin, times_at_end;
	struct translated *next;
};

/* All passes of a length, and the instructions of the first of them. */
struct kind {
	uint32_t length, passes;
	const struct translated **insns;
};

static const char *out = "trace";
static unsigned int which;
static const struct translated *pass[MAX_PASS];
static uint32_t length;
static bool within;
static struct kind kinds[MAX_KINDS];
static bool profile;
static struct translated *all;			/* of a profile */
static uint64_t back_at;			/* where the host goes on behind the guest that runs, or 0; for one CPU */

static struct kind *kind_of(uint32_t n)
{
	for (int i = 0; i < MAX_KINDS; i++) {
		if (!kinds[i].passes || kinds[i].length == n)
			return &kinds[i];
	}
	return NULL;
}

/* The last instruction is the mark's own XCHG. */
static void end_pass(void)
{
	struct kind *k = length < MAX_PASS ? kind_of(--length) : NULL;

	within = false;
	if (!length || !k)
		return;
	if (!k->passes++) {
		k->length = length;
		k->insns = malloc(length * sizeof(pass[0]));
		memcpy(k->insns, pass, length * sizeof(pass[0]));
	}
}

static void executed(unsigned int cpu, void *data)
{
	const struct translated *t = data;

	(void)cpu;
	if (t->mark == BEGIN) {
		within = true;
		length = 0;
	} else if (within && t->mark == END) {
		end_pass();
	} else if (within && length < MAX_PASS) {
		pass[length++] = t;
	}
}

/* nopl disp32(%rax, %rax) with the displacement of a mark. */
static enum mark mark_of(const struct insn *insn)
{
	static const uint8_t nopl[] = { 0x0f, 0x1f, 0x84, 0x00 };
	uint32_t what;

	memcpy(&what, insn->bytes + 4, 4);
	if (insn->size != 8 || memcmp(insn->bytes, nopl, 4) != 0 || (what & 0xffff00ff) != (0x6b6d0000 | which))
		return NONE;
	return what >> 8 & 0xff;
}

static void profile_mark(unsigned int cpu, void *data)
{
	const struct translated *mark = data;

	(void)cpu;
	for (struct translated *t = all; t; t = t->next)
		*(mark->mark == BEGIN ? &t->times_at_begin : &t->times_at_end) = t->times;
}

static void profile_vmrun(unsigned int cpu, void *data)
{
	const struct translated *t = data;

	(void)cpu;
	back_at = t->insn.address + t->insn.size;
}

static void profile_back(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	back_at = 0;
}

static void profile_insn(struct qemu_plugin_insn *insn, struct translated *t)
{
	static const uint8_t vmrun[] = { 0x0f, 0x01, 0xd8 };

	t->next = all;
	all = t;
	qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &t->times, 1);
	if (t->mark != NONE)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, profile_mark, 0, t);
	if (memcmp(t->insn.bytes, vmrun, 3) == 0)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, profile_vmrun, 0, t);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
	/* Code is translated just before it runs, so it is a guest's when a guest runs then. */
	bool back = back_at == qemu_plugin_insn_vaddr(first), guest = back_at && !back;

	(void)id;
	if (profile && back)
		qemu_plugin_register_vcpu_insn_exec_cb(first, profile_back, 0, NULL);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct translated *t = calloc(1, sizeof(*t));

		t->insn.address = qemu_plugin_insn_vaddr(insn);
		t->insn.size = qemu_plugin_insn_size(insn);
		memcpy(t->insn.bytes, qemu_plugin_insn_data(insn), t->insn.size < 15 ? t->insn.size : 15);
		t->mark = mark_of(&t->insn);
		t->guest = guest;
		if (profile)
			profile_insn(insn, t);
		else
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, 0, t);
	}
}

static void write_profile(FILE *f)
{
	for (const struct translated *t = all; f && t; t = t->next) {
		struct counted c = { t->insn, t->times_at_end - t->times_at_begin, t->guest };

		if (t->times_at_end > t->times_at_begin)
			fwrite(&c, sizeof(c), 1, f);
	}
}

/* Empty passes are those of the loop that measures the time stamps themselves. */
static void finish(qemu_plugin_id_t id, void *data)
{
	struct kind *most = &kinds[0];
	FILE *f = fopen(out, "w");

	(void)id;
	(void)data;
	for (int i = 0; i < MAX_KINDS; i++) {
		if (kinds[i].passes > most->passes)
			most = &kinds[i];
	}
	if (profile)
		write_profile(f);
	for (uint32_t i = 0; f && i < most->length; i++)
		fwrite(&most->insns[i]->insn, sizeof(struct insn), 1, f);
	if (f)
		fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out = strdup(argv[i] + 4);
		else if (strncmp(argv[i], "n=", 2) == 0)
			which = strtoul(argv[i] + 2, NULL, 0);
		else if (strcmp(argv[i], "profile=on") == 0)
			profile = true;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
