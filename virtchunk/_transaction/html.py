"""Transactions as notebooks show them: how far they are, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtchunk._html.page import Table, card
from virtchunk._html.text import bytes_text, count_text

if TYPE_CHECKING:
    from virtchunk._transaction.transaction import Transaction

__all__ = ("transaction_html",)


def transaction_html(transaction: Transaction) -> str:
    """Render a transaction; this neither commits it nor waits."""
    changes = transaction._changes
    held = bytes_text(transaction.total_bytes)
    if transaction.total_bytes_limit is not None:
        held += f" of {bytes_text(transaction.total_bytes_limit)}"
    tags = [changes.state(transaction._future)]
    tags += [word for word in ("atomic", "repeatable_read") if getattr(changes, word)]
    subjects = [
        (one.describe(), count_text(one.total)) for one in list(changes.participants.values())
    ]
    return card(
        "Transaction",
        tags=[tag.replace("_", " ") for tag in tags],
        tables=[
            Table([("in memory", held)]),
            Table(subjects, ["changed", "chunks or keys"] if subjects else []),
        ],
    )
