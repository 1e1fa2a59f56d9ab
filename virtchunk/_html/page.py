"""The frame around what is shown: a heading, facts, a table and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from virtchunk._html.axis import Axis
from virtchunk._html.figure import drawn_axes
from virtchunk._html.text import count_text, escape, shorten

__all__ = ("Table", "axes_table", "card", "legend")

_MOST_LETTERS = 120
"""Letters shown in a cell; all the others can be read by pointing at it, up to a limit."""
_LINE_LETTERS = 32
"""A cell of more letters may be broken into several lines."""
_MOST_LETTERS_POINTED_AT = 300
_MOST_ROWS = 64
"""Rows shown of a table."""

_STYLE = """
.virtchunk{font-size:13px;line-height:1.45;max-width:60em;overflow-x:auto;
--vc-line:color-mix(in srgb,currentColor 22%,transparent);
--vc-soft:color-mix(in srgb,currentColor 62%,transparent);--vc-tint:#0f8f7e}
@media(prefers-color-scheme:dark){.virtchunk{--vc-tint:#2fc4ae}}
[data-jp-theme-light=true] .virtchunk,[data-theme=light] .virtchunk,.vscode-light .virtchunk
{--vc-tint:#0f8f7e}
[data-jp-theme-light=false] .virtchunk,[data-theme=dark] .virtchunk,.vscode-dark .virtchunk
{--vc-tint:#2fc4ae}
.virtchunk .vc-head{display:flex;flex-wrap:wrap;gap:.2em .7em;align-items:baseline;
padding-bottom:.35em;margin-bottom:.6em;border-bottom:1px solid var(--vc-line)}
.virtchunk .vc-head b{font-size:1.08em}
.virtchunk .vc-head code{background:none;color:inherit;padding:0;overflow-wrap:anywhere}
.virtchunk .vc-tag{font-size:.86em;padding:0 .55em;border:1px solid var(--vc-line);
border-radius:1em;white-space:nowrap}
.virtchunk .vc-body{display:flex;flex-wrap:wrap;gap:1em 2.2em;align-items:flex-start}
.virtchunk table{border-collapse:collapse;border:0;margin:0 0 .7em;font-size:1em;width:auto;
background:none;color:inherit;table-layout:auto}
.virtchunk tr,.virtchunk tbody tr:nth-child(n),.virtchunk tbody tr:hover
{background:none!important;border:0}
.virtchunk th,.virtchunk td
{padding:.12em 1.1em .12em 0!important;border:0;text-align:left!important;
vertical-align:top;font-weight:400;white-space:nowrap;background:none;color:inherit}
.virtchunk .vc-long{white-space:normal;max-width:24em;overflow-wrap:anywhere}
.virtchunk th{color:var(--vc-soft)}
.virtchunk thead th{border-bottom:1px solid var(--vc-line);font-size:.92em}
.virtchunk td{font-variant-numeric:tabular-nums}
.virtchunk .vc-note{color:var(--vc-soft);font-size:.88em;margin-top:.25em}
.virtchunk .vc-key{color:var(--vc-tint)}
.virtchunk svg{display:block;max-width:100%;height:auto;overflow:hidden}
.virtchunk .vc-cached{fill:var(--vc-tint)}
"""


@attrs.frozen
class Table:
    """Rows of text, with a name for each column or none."""

    rows: Sequence[Sequence[str]]
    columns: Sequence[str] = ()

    def html(self) -> str:
        """Render the table; its first column names the rows."""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        lines = [f"<thead><tr>{head}</tr></thead>"] if head else []
        body = [_row(row) for row in self.rows[:_MOST_ROWS]]
        if len(self.rows) > _MOST_ROWS:
            body.append(_row([f"… and {count_text(len(self.rows) - _MOST_ROWS)} more"]))
        return f"<table>{''.join(lines)}<tbody>{''.join(body)}</tbody></table>" if body else ""


def _row(cells: Sequence[str]) -> str:
    first, *rest = cells
    others = "".join(f"<td{_attributes(cell)}>{_cell(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row"{_attributes(first)}>{_cell(first)}</th>{others}</tr>'


def _cell(text: str) -> str:
    return escape(shorten(text, _MOST_LETTERS))


def _attributes(text: str) -> str:
    return (' class="vc-long"' if len(text) > _LINE_LETTERS else "") + _title(text)


def _title(text: str) -> str:
    if len(text) <= _MOST_LETTERS:
        return ""
    return f' title="{escape(shorten(text, _MOST_LETTERS_POINTED_AT))}"'


def card(
    kind: str,
    *,
    name: str = "",
    tags: Iterable[str] = (),
    tables: Iterable[Table] = (),
    picture: str = "",
    note: str = "",
) -> str:
    """Put everything together.

    Args:
        kind: What is shown, such as a class name.
        name: What it is called.
        tags: A few words each.
        tables: Beside the picture, from top to bottom.
        picture: SVG, or nothing.
        note: HTML below the picture.
    """
    title = f"<code{_title(name)}>{_cell(name)}</code>" if name else ""
    labels = "".join(f'<span class="vc-tag">{_cell(tag)}</span>' for tag in tags)
    text = "".join(table.html() for table in tables)
    shown = f"<div>{picture}{note}</div>" if picture else ""
    style = _STYLE.replace("\n", "")
    return (
        f'<div class="virtchunk"><style>{style}</style>'
        f'<div class="vc-head"><b>{escape(kind)}</b>{title}{labels}</div>'
        f'<div class="vc-body"><div>{text}</div>{shown}</div></div>'
    )


def axes_table(axes: Sequence[Axis]) -> Table:
    """Return the table of dimensions, without the columns in which nothing would stand."""
    columns: list[tuple[str, list[str]]] = [
        ("", [axis.label or str(dim) for dim, axis in enumerate(axes)]),
        ("range", [axis.range_text for axis in axes]),
        ("size", [axis.size_text for axis in axes]),
        ("chunk", [axis.chunk_text for axis in axes]),
        ("chunks", ["" if axis.chunks is None else count_text(axis.chunks) for axis in axes]),
        ("step", [axis.unit for axis in axes]),
        ("length", [axis.length for axis in axes]),
    ]
    used = [(name, cells) for name, cells in columns if any(cells)]
    return Table([*zip(*(cells for _, cells in used), strict=True)], [name for name, _ in used])


def legend(axes: Sequence[Axis], *, coloured: bool = False) -> str:
    """Say below the picture what cannot be seen in it."""
    notes = []
    if coloured:
        notes.append('<span class="vc-key">■</span> cached')
    drawn = drawn_axes(axes)
    if hidden := sum(axes[dim].size != 1 for dim in set(range(len(axes))) - set(drawn)):
        notes.append(f"{hidden} more dimension{'s' * (hidden > 1)} behind")
    if any(axes[dim].edges is None for dim in drawn):
        notes.append("each cell stands for several chunks")
    if any(axes[dim].size is None for dim in drawn):
        notes.append("part of an unbounded domain")
    return f'<div class="vc-note">{" · ".join(notes)}</div>' if notes else ""
