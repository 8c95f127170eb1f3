import contextlib
import errno
import json
import os
import tempfile
from pathlib import Path

import pytest
from fixtures.interruption import largest_file
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import StorageError
from polymart.files import (
    atomic_folder,
    atomic_path,
    canonical_json,
    digest_file,
    digest_text,
    digest_tree,
    link_tree,
    read_json,
    write_json,
)

MEANING = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "read-only",
    errno.EDQUOT: "quota",
    errno.EACCES: "permission",
}


def refuse(monkeypatch, module, name: str, code: int, nth: int = 1) -> None:
    """Let the nth call of ``module.name`` fail as a disk would."""
    real, calls = getattr(module, name), []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == nth:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, failing)


def whole_folder(path: Path, text: str) -> None:
    with atomic_folder(path) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)


def test_a_file_appears_whole_and_readable(tmp_path):
    with atomic_path(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
        assert temporary.parent == tmp_path / "new"  # a rename across disks is not atomic
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path / "new") == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file_and_no_trace(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with contextlib.suppress(type(error)), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert not temporary.exists()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old"}


@pytest.mark.parametrize("before", [None, "old"])
def test_an_exception_leaves_the_old_folder_and_no_trace(tmp_path, before):
    path = tmp_path / "out"
    if before:
        whole_folder(path, before)
    with contextlib.suppress(ValueError), atomic_folder(path) as folder:
        (folder / "a.txt").write_text("half")
        raise ValueError("broken")
    assert not folder.exists()
    assert os.listdir(tmp_path) == (["out"] if before else [])
    assert not before or (path / "sub" / "b.txt").read_text() == "old"


def test_a_folder_replaces_the_old_one_whole(tmp_path):
    whole_folder(tmp_path / "out", "old")
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "c.txt").write_text("new")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["c.txt"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("code", MEANING)
def test_a_disk_that_refuses_a_file_is_a_storage_error(tmp_path, monkeypatch, code):
    (tmp_path / "a.txt").write_text("old")
    refuse(monkeypatch, os, "replace", code)
    with pytest.raises(StorageError) as caught, atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert str(tmp_path / "a.txt") in caught.value.message
    assert MEANING[code] in caught.value.message
    assert "GB free" in caught.value.message
    assert "POLYMART_WORK_DIR" in caught.value.remedy
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old"}


@pytest.mark.parametrize("make", ["mkstemp", "mkdtemp"])
def test_a_read_only_disk_is_a_storage_error(tmp_path, monkeypatch, make):
    refuse(monkeypatch, tempfile, make, errno.EROFS)
    writer = atomic_path if make == "mkstemp" else atomic_folder
    with pytest.raises(StorageError, match="the disk is read-only"), writer(tmp_path / "deep" / "a"):
        pass


@pytest.mark.parametrize("nth", [1, 2])
def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path, monkeypatch, nth):
    whole_folder(tmp_path / "out", "old")
    refuse(monkeypatch, os, "replace", errno.ENOSPC, nth)
    with pytest.raises(StorageError, match="the disk is full"):
        whole_folder(tmp_path / "out", "new")
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out" / "sub" / "b.txt").read_text() == "old"


def test_the_operating_system_refuses_a_long_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(StorageError, match="cannot write"), largest_file(4096):
        write_json(path, {"text": "x" * 100_000})
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_tree_gets_a_second_name_or_a_copy(tmp_path, monkeypatch):
    (tmp_path / "old" / "below").mkdir(parents=True)
    (tmp_path / "old" / "below" / "one").write_text("1")
    link_tree(tmp_path / "old", tmp_path / "linked")
    assert (tmp_path / "linked" / "below" / "one").samefile(tmp_path / "old" / "below" / "one")
    refuse(monkeypatch, os, "link", errno.EXDEV)
    link_tree(tmp_path / "old", tmp_path / "copied")
    assert (tmp_path / "copied" / "below" / "one").read_text() == "1"
    assert not (tmp_path / "copied" / "below" / "one").samefile(tmp_path / "old" / "below" / "one")
    refuse(monkeypatch, os, "link", errno.EXDEV)
    with pytest.raises(StorageError, match="cannot write"), largest_file(0):
        link_tree(tmp_path / "old", tmp_path / "full")


def test_an_error_that_is_no_refusal_to_write_passes_through(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "gone").read_text()


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"a": \xff}'])
def test_a_file_that_is_no_json_is_a_storage_error(tmp_path, content):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"a\.json cannot be read as JSON") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.remedy


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3))


@given(trees)
def test_canonical_json_is_json_of_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), scalars, max_size=6))
def test_canonical_json_ignores_the_order_of_keys(value):
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


names = st.text("abc._-", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))
contents = st.dictionaries(names, st.binary(max_size=20), max_size=5)


def digest_of(files: dict[str, bytes]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return digest_tree(folder)


@given(contents)
def test_a_digest_ignores_the_order_of_writing_and_the_place(files):
    assert digest_of(dict(reversed(files.items()))) == digest_of(files)


@given(contents, names, st.binary(max_size=20), st.data())
def test_a_digest_sees_every_name_and_byte(files, name, content, data):
    assert (digest_of({**files, name: content}) == digest_of(files)) == (files.get(name) == content)
    if files:
        chosen = data.draw(st.sampled_from(sorted(files)))
        without = {other: value for other, value in files.items() if other != chosen}
        assert digest_of(without) != digest_of(files)
        assert digest_of({**files, chosen: files[chosen] + b"x"}) != digest_of(files)
        assert (digest_of({**without, name: files[chosen]}) == digest_of(files)) == (name == chosen)


def test_a_digest_sees_moved_files_and_skips_caches(tmp_path):
    for name in ("flat/a", "deep/sub/a", "cached/a"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "cached" / "__pycache__").mkdir()
    (tmp_path / "cached" / "__pycache__" / "b").write_text("y")
    assert digest_tree(tmp_path / "flat") == digest_tree(tmp_path / "cached") != digest_tree(tmp_path / "deep")
    assert digest_tree(tmp_path / "deep", suffixes=(".py",)) == digest_text("")
    assert digest_tree(tmp_path / "flat" / "a") == digest_file(tmp_path / "flat" / "a") == digest_text("x")


def test_a_tree_below_a_cache_folder_still_counts(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a").write_text("x")
    assert digest_tree(tmp_path / "__pycache__") != digest_text("")
