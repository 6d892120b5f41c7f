# SPDX-License-Identifier: GPL-2.0-only
"""What the programs of tools/ share."""
