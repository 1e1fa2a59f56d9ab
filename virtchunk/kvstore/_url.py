"""URLs of key-value stores: how paths are written in them, and what is not supported."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

__all__ = ("decoded", "encoded", "split_url")

_UNESCAPED: Final = "/-_.!~*'():@&=+$,;"
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def encoded(path: str) -> str:
    """Write a path as part of a URL.

    Example:
        >>> from virtchunk.kvstore._url import encoded
        >>> encoded("a b/é")
        'a%20b/%C3%A9'
    """
    return quote(path, safe=_UNESCAPED, errors="surrogateescape")


def decoded(text: str, url: str) -> str:
    """Read a path from a URL.

    Raises:
        ValueError: A ``%`` is not followed by two hexadecimal digits.
    """
    if _BAD_ESCAPE.search(text):
        raise ValueError(f'"%" must be followed by two hexadecimal digits in the URL "{url}"')
    return unquote(text, errors="surrogateescape")


def split_url(url: str, *, query: bool = False) -> tuple[str, str, str]:
    """Split a URL into scheme, what follows ``://`` and the query with its ``?``.

    Raises:
        ValueError: There is no scheme, or a query or a fragment that cannot be used.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f'URL scheme must be specified in "{url}", as in "file:///path/"')
    if "|" in rest:
        raise ValueError(f'"{url}" has adapters after "|", which are not supported')
    if "#" in rest:
        raise ValueError(f'fragment identifier is not supported in "{url}"; write "#" as "%23"')
    rest, mark, after = rest.partition("?")
    if mark and not query:
        raise ValueError(f'query string is not supported in "{url}"; write "?" as "%3F"')
    return scheme, rest, mark + after
