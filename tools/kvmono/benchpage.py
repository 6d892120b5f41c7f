# SPDX-License-Identifier: GPL-2.0-only
"""The figures of `make bench` as a page with a bar chart, plain HTML and SVG."""

import html
import itertools

WIDTH, LABEL, LINE = 900, 200, 34

PAGE = """<!DOCTYPE html>
<!-- SPDX-License-Identifier: GPL-2.0-only -->
<html lang="en"><meta charset="utf-8"><title>kvmono: instructions per operation</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2em auto; max-width: 960px; color: #222; }}
text {{ font: 13px system-ui, sans-serif; fill: #222; }}
.linux {{ fill: #b9c0c8; }} .ours {{ fill: #1f6feb; }} .note {{ fill: #777; }}
.over {{ fill: #d1242f; }} .limit {{ stroke: #1a7f37; stroke-width: 2; }}
.key {{ display: inline-block; width: 1em; height: 1em; vertical-align: -2px; }}
</style>
<h1>Instructions per operation</h1>
<p><span class="key" style="background:#b9c0c8"></span> Linux's own KVM &nbsp; <span class="key" style="background:#1f6feb"></span> kvmono,
<span class="key" style="background:#d1242f"></span> above its limit, which is the green line: {within}.
Median, same kernel, same emulated host, same program. Each pair has its own scale: Linux's bar is always full unless ours is longer.</p>
{charts}
</html>
"""


def _bar(kind, y, value, most):
    width = (WIDTH - LABEL - 110) * value / most if most else 0
    return (f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{max(width, 1):.1f}" height="12"/>'
            f'<text x="{LABEL + width + 6:.1f}" y="{y + 11}">{value:,}</text>')


def _limit(row, y, most):
    if row.limit is None or row.limit > most:
        return ""
    x = LABEL + (WIDTH - LABEL - 110) * row.limit / most
    return f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 1}" y2="{y + 13}"/>'


def _pair(row, y):
    label = f'<text x="{LABEL - 10}" y="{y + 18}" text-anchor="end">{html.escape(row.op)}</text>'
    if not row.measured:
        return label + f'<text class="note" x="{LABEL}" y="{y + 18}">{html.escape(row.why)}</text>'
    most = max(row.linux, row.ours)
    return label + _bar("linux", y, row.linux, most) + _bar("over" if row.over else "ours", y + 13, row.ours, most) + _limit(row, y + 13, most)


def _chart(vendor, mitigations, rows):
    bars = "\n".join(_pair(row, 4 + i * LINE) for i, row in enumerate(rows))
    return (f"<h2>{vendor}, mitigations: {mitigations}</h2>\n"
            f'<svg width="{WIDTH}" height="{len(rows) * LINE + 8}" role="img">\n{bars}\n</svg>')


def write(path, rows):
    groups = itertools.groupby(rows, key=lambda row: (row.vendor, row.mitigations))
    limited = [row for row in rows if row.limited]
    path.write_text(PAGE.format(charts="\n".join(_chart(*key, list(group)) for key, group in groups),
                                within=f"{sum(not row.over for row in limited)} of {len(limited)} are within theirs"))
