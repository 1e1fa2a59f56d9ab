"""`Transaction`: writes that are kept in memory until all of them are committed.

What was changed is held by *participants*, one for each view's driver and each key-value store;
this module knows only that they can be committed. A transaction opens, takes changes, and ends:
nothing can be read or written through it once its commit has started.

The commit is an operation like any other: it runs where it is awaited, or inside ``result()``, and
ends there. One that is cancelled keeps what it has not stored, and can be run again.
"""

from virtchunk._transaction.changes import Counter as Counter
from virtchunk._transaction.changes import Participant as Participant
from virtchunk._transaction.transaction import Transaction as Transaction
from virtchunk._transaction.transaction import check_transaction as check_transaction
