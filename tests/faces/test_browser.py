"""What notebooks show, drawn by a real browser: legible, light or dark, and nothing overflows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import virtchunk as ts

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), ""
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]
WIDTH, HEIGHT = 900, 1400
THEMES = {"light": ("#ffffff", "#1f2328"), "dark": ("#111418", "#d9dee3")}

NOTEBOOK = """
.notebook table{border-collapse:collapse;table-layout:fixed;margin-left:auto;margin-right:auto}
.notebook td,.notebook th,.notebook tr{vertical-align:middle;padding:.5em;white-space:normal;
max-width:none;border:none}
.notebook:not(.markdown) td,.notebook:not(.markdown) th{text-align:right}
.notebook tbody tr:nth-child(even){background:#888}
"""
"""What a notebook says of all tables in it."""

MEASURE = """
const overflowing = [], boxes = [];
for (const element of document.querySelectorAll('.virtchunk, .virtchunk *')) {
  if (element.tagName === 'STYLE') continue;
  if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
      && getComputedStyle(element).display !== 'inline' && !element.closest('svg'))
    overflowing.push(element.tagName + ': ' + element.textContent.slice(0, 40));
}
for (const svg of document.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(text => text.getBoundingClientRect());
  for (const [i, a] of texts.entries()) {
    if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1
        || a.bottom > frame.bottom + 1) overflowing.push('text outside of its picture');
    for (const b of texts.slice(i + 1))
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        overflowing.push('two texts on top of each other');
  }
}
const tinted = document.querySelector('.vc-cached');
document.title = JSON.stringify({
  overflowing, wide: document.documentElement.scrollWidth,
  align: getComputedStyle(document.querySelector('.virtchunk td')).textAlign,
  stripe: getComputedStyle(document.querySelector('.virtchunk tr:nth-child(2)')).backgroundColor,
  tint: tinted ? getComputedStyle(tinted).fill : '',
});
"""


def fill(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = 1


def views() -> list[Any]:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 10_000_000}})
    domain = ts.IndexDomain(shape=[60, 512, 640], labels=["z", "y", "x"])
    volume = ts.virtual_chunked(
        fill,
        dtype=ts.uint16,
        domain=domain,
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[16, 128, 128]),
        dimension_units=["30 nm", "4 nm", "4 nm"],
        context=context,
    )
    volume[:20, :200, 300:500].read().result()
    long = ts.IndexDomain(shape=[3, 10**9], labels=["channel <b>", "very long label " * 6])
    return [volume, volume[3], volume.domain, volume.chunk_layout, context, long, ts.array(1.0)]


def page(theme: str) -> str:
    background, text = THEMES[theme]
    cards = "".join(f"<section>{shown._repr_html_()}</section>" for shown in views())
    return (
        f'<!doctype html><html data-theme="{theme}"><meta charset="utf-8"><style>'
        f"body{{font-family:sans-serif;margin:20px;background:{background};color:{text}}}"
        f"section{{margin-bottom:24px}}{NOTEBOOK}</style>"
        f'<body class="notebook">{cards}<script>{MEASURE}</script></body></html>'
    )


def chromium(*arguments: str) -> str:
    """Run the browser without a window."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    return done.stdout


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path, theme: str) -> Path:
    path = tmp_path / "page.html"
    path.write_text(page(theme), encoding="utf-8")
    return path


def test_nothing_overflows_and_the_tint_follows_the_theme(file: Path, theme: str) -> None:
    size = f"--window-size={WIDTH},{HEIGHT}"
    dom = chromium("--dump-dom", size, f"--user-data-dir={file.parent}", file.as_uri())
    title = re.search("<title>(.*?)</title>", dom, re.DOTALL)
    assert title is not None
    measured = json.loads(unescape(title[1]))

    assert measured["overflowing"] == []
    assert measured["wide"] <= WIDTH
    assert measured["align"] == "left"
    assert measured["stripe"] == "rgba(0, 0, 0, 0)"
    assert measured["tint"] == {"light": "rgb(15, 143, 126)", "dark": "rgb(47, 196, 174)"}[theme]


def test_a_screenshot_shows_something_on_the_pages_background(file: Path, theme: str) -> None:
    image = pytest.importorskip("PIL.Image")
    shot = file.with_suffix(".png")
    size = f"--window-size={WIDTH},{HEIGHT}"
    chromium(f"--screenshot={shot}", size, f"--user-data-dir={file.parent}", file.as_uri())
    pixels = np.asarray(image.open(shot).convert("RGB")).astype(int)
    background = np.array([int(THEMES[theme][0][i : i + 2], 16) for i in (1, 3, 5)])
    tint = np.array({"light": (15, 143, 126), "dark": (47, 196, 174)}[theme])
    different = np.abs(pixels - background).sum(axis=-1) > 60
    # What is cached is drawn with some opacity: somewhere between background and tint.
    direction = (tint - background) / np.linalg.norm(tint - background)
    along = (pixels - background) @ direction
    across = np.linalg.norm((pixels - background) - along[..., np.newaxis] * direction, axis=-1)
    coloured = (along > 0.3 * np.linalg.norm(tint - background)) & (across < 12)

    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert 0.01 < different.mean() < 0.5
    assert coloured.sum() > 500
