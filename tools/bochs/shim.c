// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into Debian's Bochs, for two things that its own configuration doesn't offer.
 *
 * A line of the serial port gets to its file when it is complete.
 *
 * A SYN character on port 0xe9 saves the state of the whole machine to the folder $BOCHS_SAVE, as the "suspend" button
 * of a graphical Bochs would. Without that variable it does nothing.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#define SYN 0x16

/* The simulator, and its save_state(folder), in Bochs's own mangled name. Weak: the program that starts Bochs has none. */
extern void *SIM __attribute__((weak));
extern _Bool save_state(void *sim, const char *folder) __asm__("_ZN13bx_real_sim_c10save_stateEPKc") __attribute__((weak));

/* The serial port writes with this. */
int fputc(int c, FILE *file)
{
	int written = putc_unlocked(c, file);

	if (c == '\n')
		fflush(file);
	return written;
}

/* Port 0xe9 writes with this, and flushes. */
int putc(int c, FILE *file)
{
	const char *folder = getenv("BOCHS_SAVE");

	if (file != stdout || c != SYN)
		return putc_unlocked(c, file);
	if (folder)
		fputs(save_state(SIM, folder) ? "\036kvmono: saved\n" : "\036kvmono: not saved\n", file);
	return c;
}
