"""A process that counts in a file store; started by the tests, several at a time.

``python counting.py add DIRECTORY TIMES`` adds to one counter on condition that nobody else has.
``python counting.py write DIRECTORY`` writes ever new values, and prints each number when it is
safe, until it is killed.
"""

from __future__ import annotations

import itertools
import sys

import virtchunk as ts

SIZE = 200_000


def value_of(number: int) -> bytes:
    """A large value that shows when it is not whole."""
    return number.to_bytes(4, "big") * (SIZE // 4)


def add(store: ts.KvStore, times: int) -> None:
    for _ in range(times):
        while True:
            found = store.read("counter").result()
            count = int(found.value) + 1 if found.state == "value" else 1
            stamp = store.write("counter", str(count), if_equal=found.stamp.generation).result()
            if stamp.generation:
                break


def write(store: ts.KvStore) -> None:
    for number in itertools.count(1):
        store["value"] = value_of(number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    opened = ts.KvStore.open({"driver": "file", "path": sys.argv[2] + "/"}).result()
    if sys.argv[1] == "add":
        add(opened, int(sys.argv[3]))
    else:
        write(opened)
