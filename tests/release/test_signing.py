"""Keys and signatures: what is not signed by a trusted key is told apart, whatever was done to it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Settings
from polymart.errors import ReleaseError, SettingError
from polymart.files import digest_text
from polymart.release.manifest import ReleaseManifest, build_manifest, manifest_from_json
from polymart.release.overlay import MANIFEST_ANNOTATION
from polymart.release.rendered import check_releases
from polymart.release.signing import new_pair, require_signed, sign, signing_key, standing, trusted_keys


def settings(folder: Path, name: str = "release") -> Settings:
    """Settings with a new pair of keys below ``folder``."""
    private, public = new_pair()
    (folder / f"{name}.key").write_bytes(private)
    (folder / f"{name}.pub").write_bytes(public)
    return Settings(signing_key_file=folder / f"{name}.key", release_keys=folder / f"{name}.pub")


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Settings:
    return settings(tmp_path_factory.mktemp("keys"))


def test_one_release_has_one_signature_of_a_key(ours, make_parts):
    signed = sign(build_manifest(**make_parts()), signing_key(ours))
    later = build_manifest(**make_parts(locations={"bento": "/elsewhere"}))
    assert sign(later, signing_key(ours)).signature == signed.signature
    require_signed(manifest_from_json(signed.model_dump_json(), origin="x"), trusted_keys(ours))


@pytest.mark.parametrize("way", ["unsigned", "signed by the unknown key", "wrongly signed"])
def test_what_no_trusted_key_signed_is_refused(way, ours, release, tmp_path):
    signature = {
        "unsigned": "",
        "signed by the unknown key": sign(release("a"), signing_key(settings(tmp_path))).signature,
        "wrongly signed": sign(release("b"), signing_key(ours)).signature,  # good, but of another release
    }[way]
    manifest = release("a").model_copy(update={"signature": signature})
    with pytest.raises(ReleaseError, match=f"{manifest.release} must be signed by one of the keys .* found it {way}"):
        require_signed(manifest, trusted_keys(ours))
    require_signed(manifest, None)  # nobody asked


@given(place=st.integers(0, 63), bit=st.integers(0, 7))
def test_no_flipped_bit_passes(place, bit, ours, release):
    signed = sign(release("a"), signing_key(ours))
    name, _, value = signed.signature.partition(":")
    flipped = bytearray(base64.b64decode(value))
    flipped[place] ^= 1 << bit
    forged = signed.model_copy(update={"signature": f"{name}:{base64.b64encode(flipped).decode()}"})
    assert standing(forged, trusted_keys(ours)).startswith("wrongly signed")


def test_an_altered_manifest_is_found_even_under_a_new_name(ours, release):
    fields = json.loads(sign(release("a"), signing_key(ours)).model_dump_json())
    fields["bento_digest"] = digest_text("another")
    with pytest.raises(ReleaseError, match="it was changed"):
        manifest_from_json(json.dumps(fields), origin="x")
    draft = release("a").model_copy(update={"bento_digest": fields["bento_digest"]})
    renamed = fields | {"release": f"quick-{draft.digest.removeprefix('sha256:')[:12]}"}
    assert standing(manifest_from_json(json.dumps(renamed), origin="x"), trusted_keys(ours)).startswith("wrongly")


def test_an_old_and_a_new_key_are_both_good_for_a_while(ours, release, tmp_path):
    new = settings(tmp_path)
    both = tmp_path / "both.pub"
    both.write_bytes(ours.release_keys.read_bytes() + b"# the new one\n" + new.release_keys.read_bytes())
    for key in (ours, new):
        require_signed(sign(release("a"), signing_key(key)), trusted_keys(Settings(release_keys=both)))


def test_a_pod_may_have_its_key_from_a_variable(ours, release, monkeypatch):
    monkeypatch.setenv("POLYMART_SIGNING_KEY", ours.signing_key_file.read_text())
    read = Settings()
    assert sign(release("a"), signing_key(read)) == sign(release("a"), signing_key(ours))
    assert "PRIVATE" not in repr(read)
    with pytest.raises(SettingError, match="both set"):
        signing_key(Settings(signing_key_file=ours.signing_key_file))


def test_unusable_keys_are_named_and_never_quoted(tmp_path, ours):
    rsa = generate_private_key(65537, 2048)
    (tmp_path / "rsa.key").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "torn.key").write_bytes(ours.signing_key_file.read_bytes()[:60])
    for name, rule in [("rsa.key", "must be of Ed25519"), ("torn.key", "no private key"), ("none", "cannot be read")]:
        with pytest.raises(SettingError, match=rule) as caught:
            signing_key(Settings(signing_key_file=tmp_path / name))
        assert "MC4CAQ" not in str(caught.value)
    for path, rule in [(tmp_path / "rsa.pub", "public Ed25519 keys only"), (ours.signing_key_file, "found a PRIVATE")]:
        with pytest.raises(SettingError, match=rule):
            trusted_keys(Settings(release_keys=path))


def pods(manifest: ReleaseManifest, image: str) -> list[dict]:
    """What an overlay renders of a release."""
    template = {"metadata": {"annotations": {MANIFEST_ANNOTATION: manifest.model_dump_json()}},
                "spec": {"containers": [{"name": "bento", "image": image}]}}  # fmt: skip
    deployment = {"kind": "Deployment", "metadata": {"name": "polymart-serving"}, "spec": {"template": template}}
    return [{"kind": "Service", "metadata": {"name": "polymart-serving"}, "spec": {"ports": []}}, deployment]


def test_rendered_pods_carry_a_signed_release_and_its_image(ours, make_parts):
    image = f"registry.test/serving@{digest_text('image')}"
    manifest = sign(build_manifest(**make_parts(images={"polymart-serving": image})), signing_key(ours))
    keys = trusted_keys(ours)
    (line,) = check_releases(pods(manifest, image), keys)
    assert line == f"Deployment/polymart-serving: {manifest.release}, signed by {next(iter(keys))}"
    assert "not checked" in check_releases(pods(manifest, image), None)[0]
    with pytest.raises(ReleaseError, match=f"but its release {manifest.release} names {image}"):
        check_releases(pods(manifest, f"registry.test/serving@{digest_text('another')}"), keys)
    with pytest.raises(ReleaseError, match="found it unsigned"):
        check_releases(pods(manifest.model_copy(update={"signature": ""}), image), keys)
