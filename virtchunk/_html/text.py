"""Text that is safe and short enough to be put between tags."""

from __future__ import annotations

import re
from html import escape as _escape

__all__ = ("bytes_text", "count_text", "escape", "shorten")

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_THIN_SPACE = "\u202f"
_EXACT = 10**15
"""Greater numbers are shown by their magnitude."""
_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def escape(text: str) -> str:
    """Escape text for an element or an attribute; what XML cannot hold becomes U+FFFD."""
    return _escape(_NOT_IN_XML.sub("\ufffd", text), quote=True)


def shorten(text: str, most: int) -> str:
    """Cut text to a number of characters; an ellipsis stands for the rest.

    Example:
        >>> shorten("photon energy", 7)
        'photon…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def count_text(count: int) -> str:
    """Write a number so that it can be read, in groups of three digits.

    Example:
        >>> count_text(1234567).split(), count_text(2**62)
        (['1', '234', '567'], '4.61e18')
    """
    if abs(count) < _EXACT:
        return f"{count:_}".replace("_", _THIN_SPACE)
    digits = str(abs(count))  # not a float, which an index may be too large for
    sign = "-" if count < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:3]}e{len(digits) - 1}"


def bytes_text(count: int) -> str:
    """Write a number of bytes in the unit that suits it.

    Example:
        >>> bytes_text(512), bytes_text(1536), bytes_text(3 * 2**30)
        ('512 B', '1.5 KiB', '3 GiB')
    """
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, len(_BINARY))
    if count >> 10 * power >= 1024:
        return f"{count_text(count >> 10 * power)} {_BINARY[power - 1]}"
    number = count / (1 << 10 * power)
    return f"{number:.{3 if number < 1000 else 4}g} {_BINARY[power - 1]}"
