"""The file driver: what keys it refuses, what it leaves on disk, and several processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import virtchunk as ts
from tests.kvstore.counting import value_of
from virtchunk.kvstore import MISSING, KeyRange
from virtchunk.kvstore import file as file_module

COUNTING = Path(__file__).parent / "counting.py"


@pytest.fixture
def store(tmp_path: Path) -> ts.KvStore:
    return ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/root/"}).result()


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "a/../b",
        "/abs",
        "a//b",
        "a/",
        "./a",
        "../x",
        "x\x00y",
        "foo.__lock",
        "a/foo.__lock/b",
    ],
)
def test_keys_cannot_escape_the_root(store: ts.KvStore, tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="invalid key"):
        store.write(key, b"x").result()
    with pytest.raises(ValueError, match="invalid key"):
        store.read(key).result()

    assert list(tmp_path.iterdir()) == []


def test_directories_are_no_values_and_values_are_no_directories(store: ts.KvStore) -> None:
    store["a/b"] = b"1"

    assert store.read("a").result().state == "missing"
    assert store.read("a/b/c").result().state == "missing"
    assert store.write("a/b/c", None).result().generation == MISSING
    for key in ("a", "a/b/c", "x" * 300):
        with pytest.raises(ValueError, match="cannot have the key"):
            store[key] = b"1"


def test_reading_and_listing_make_no_directories(store: ts.KvStore, tmp_path: Path) -> None:
    store.read("a/b").result()
    store.list().result()
    store.delete_range(KeyRange()).result()
    del store["a/b"]

    assert list(tmp_path.iterdir()) == []


def test_deleting_a_range_removes_the_directories_it_empties(
    store: ts.KvStore, tmp_path: Path
) -> None:
    for key in ("a/b/c", "a/d", "e/f"):
        store[key] = b"1"
    (tmp_path / "beside").write_bytes(b"not ours")
    store.delete_range(KeyRange("a", "b")).result()
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["e"]
    store.delete_range(KeyRange()).result()

    assert list((tmp_path / "root").iterdir()) == []
    assert files_in(tmp_path) == ["beside"]


def test_a_path_is_a_prefix_and_not_only_a_directory(tmp_path: Path) -> None:
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/pre"}).result()
    store["x/y"] = b"1"
    store["z"] = b"2"

    assert files_in(tmp_path) == ["prex/y", "prez"]
    assert sorted(store.list().result()) == [b"x/y", b"z"]


def test_links_to_directories_are_not_followed_when_listing(
    store: ts.KvStore, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"keep")
    store["a"] = b"1"
    (tmp_path / "root" / "link").symlink_to(outside)
    assert store.list().result() == [b"a"]

    store.delete_range(KeyRange()).result()

    assert files_in(outside) == ["secret"]


def test_a_failed_condition_leaves_no_file_behind(store: ts.KvStore, tmp_path: Path) -> None:
    store["a"] = b"1"
    store.write("a", b"2", if_equal=b"other").result()

    assert files_in(tmp_path) == ["root/a"]


def test_a_coarse_clock_does_not_make_two_versions_equal(
    store: ts.KvStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store["a"] = b"1"
    monkeypatch.setattr("time.time_ns", lambda: 1_000_000_000)
    generations = {store.write("a", b"1").result().generation for _ in range(50)}

    assert len(generations) == 50


def test_what_other_programs_write_is_another_version(store: ts.KvStore, tmp_path: Path) -> None:
    known = store.write("a", b"1").result().generation
    (tmp_path / "root/a").write_bytes(b"22")

    assert store.read("a", if_not_equal=known).result().value == b"22"
    assert store.write("a", b"3", if_equal=known).result().generation == b""


@pytest.mark.slow
def test_a_counter_of_two_processes_ends_exact(tmp_path: Path) -> None:
    times = 150
    command = [sys.executable, str(COUNTING), "add", str(tmp_path), str(times)]
    processes = [subprocess.Popen(command) for _ in range(2)]

    assert [process.wait(timeout=50) for process in processes] == [0, 0]
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    assert store["counter"] == str(2 * times).encode()
    assert files_in(tmp_path) == ["counter"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_kill_leaves_what_was_safe_and_nothing_half_written(tmp_path: Path) -> None:
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    for enough in range(1, 9):
        process = subprocess.Popen(
            [sys.executable, str(COUNTING), "write", str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        safe = [int(process.stdout.readline()) for _ in range(enough)][-1]
        process.kill()  # wherever it is in the next write
        safe = max([safe, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()

        number = int.from_bytes(store["value"][:4], "big")
        assert store["value"] == value_of(number)
        assert number in {safe, safe + 1}
    assert store.list().result() == [b"value"]
    store.delete_range(KeyRange()).result()
    assert files_in(tmp_path) == []


def test_a_temporary_file_in_use_is_not_removed(store: ts.KvStore, tmp_path: Path) -> None:
    if file_module.fcntl is None:
        pytest.skip("there is no flock here")
    store["a"] = b"1"
    used = tmp_path / f"root/{'a' * 16}.__lock"
    orphan = tmp_path / f"root/{'b' * 16}.__lock"
    foreign = tmp_path / "root/a.__lock"
    for path in (orphan, foreign):
        path.write_bytes(b"half")
    with used.open("wb") as file:
        file_module.fcntl.flock(file, file_module.fcntl.LOCK_EX)
        assert store.list().result() == [b"a"]
        store.delete_range(KeyRange()).result()

    assert sorted([used, foreign]) == sorted(path for path in (tmp_path / "root").iterdir())


def test_a_link_to_nowhere_and_a_pipe_are_no_places_for_values(
    store: ts.KvStore, tmp_path: Path
) -> None:
    store["a"] = b"1"
    (tmp_path / "root/link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        store["link/b"] = b"1"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "root/pipe")
        assert store.read("pipe").result().state == "missing"

    assert store.list().result() == [b"a"]


async def test_a_directory_that_is_removed_meanwhile_is_made_again(
    store: ts.KvStore, tmp_path: Path
) -> None:
    stored: list[bytes] = []

    async def write(number: int) -> None:
        for _ in range(30):
            stamp = await store.write(f"d/e/{number}", b"1")
            stored.append(stamp.generation)

    async def empty() -> None:
        for _ in range(60):
            await store.delete_range(KeyRange())

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(write, number)
        group.start_soon(empty)

    assert len(stored) == 90
    assert b"" not in stored
    assert not any(name.endswith(".__lock") for name in files_in(tmp_path))
