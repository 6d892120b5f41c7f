/* SPDX-License-Identifier: GPL-2.0-only */
#include "kshim/kshim.h"
#include <arch/x86/include/asm/vmxfeatures.h>
