"""Signs releases with Ed25519, and verifies them: what runs left the gates as it is, by the hand of a known key.

What is signed is a release's name and digest. The digest covers everything that runs; time, commit and places lie
outside it, so that one release has one signature of each key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from polymart.config import Settings
from polymart.errors import ReleaseError, SettingError
from polymart.release.manifest import ReleaseManifest

TrustedKeys = Mapping[str, Ed25519PublicKey]
"""Id of a key -> the key."""
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)
MAKE_ONE = "make a pair with `polymart keys signing`"


def new_pair() -> tuple[bytes, bytes]:
    """A new private and public key, as PEM."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def key_id(key: Ed25519PublicKey) -> str:
    """Sixteen hex digits that name a key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def signing_key(settings: Settings) -> Ed25519PrivateKey | None:
    """The key that signs, from POLYMART_SIGNING_KEY or the file POLYMART_SIGNING_KEY_FILE; None if neither is set.

    Raises:
        SettingError: both are set, the file cannot be read, or it holds no private Ed25519 key.
    """
    text, file = settings.signing_key.get_secret_value(), settings.signing_key_file
    if text and file:
        raise SettingError(
            "POLYMART_SIGNING_KEY and POLYMART_SIGNING_KEY_FILE are both set, but one key signs", remedy="unset one"
        )
    if not text and not file:
        return None
    where = "POLYMART_SIGNING_KEY" if file is None else str(file)
    try:
        key = load_pem_private_key(text.encode() or _read(file), password=None)
    except (ValueError, TypeError) as error:  # its words may quote the key
        raise SettingError(f"{where} holds no private key in PEM that needs no password", remedy=MAKE_ONE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(f"the key that signs releases must be of Ed25519, found another in {where}", remedy=MAKE_ONE)
    return key


def trusted_keys(settings: Settings) -> TrustedKeys | None:
    """The keys whose signatures count, from the file POLYMART_RELEASE_KEYS; None if it is not set.

    Several keys may stand in it one after the other, so that an old and a new one are both good for a while.

    Raises:
        SettingError: the file cannot be read, or holds anything but public Ed25519 keys.
    """
    file = settings.release_keys
    if file is None:
        return None
    keys = {}
    for block in _PEM.finditer(_read(file).decode(errors="replace")):
        try:
            key = load_pem_public_key(block[0].encode())
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise SettingError(f"{file} must hold public Ed25519 keys only, found a {block[1]}", remedy=MAKE_ONE)
        keys[key_id(key)] = key
    if not keys:
        raise SettingError(f"{file} must hold public keys in PEM, found none", remedy=MAKE_ONE)
    return keys


def sign(manifest: ReleaseManifest, key: Ed25519PrivateKey | None) -> ReleaseManifest:
    """``manifest`` with the key's signature; as it is where there is no key."""
    if key is None:
        return manifest
    value = base64.b64encode(key.sign(_statement(manifest))).decode()
    return manifest.model_copy(update={"signature": f"{key_id(key.public_key())}:{value}"})


def standing(manifest: ReleaseManifest, keys: TrustedKeys) -> str:
    """How a release stands before these keys: ``signed by <id>``, or what is wrong with it."""
    if not manifest.signature:
        return "unsigned"
    name, _, value = manifest.signature.partition(":")
    if name not in keys:
        return f"signed by the unknown key {name}"
    try:
        keys[name].verify(base64.b64decode(value), _statement(manifest))
    except (InvalidSignature, ValueError):
        return f"wrongly signed: not by the key {name} that it names"
    return f"signed by {name}"


def require_signed(manifest: ReleaseManifest, keys: TrustedKeys | None) -> None:
    """Refuse a release that none of the trusted keys signed; nothing is asked where ``keys`` is None.

    Raises:
        ReleaseError: it is unsigned, wrongly signed, or signed by a key that is not trusted.
    """
    if keys is not None and (found := standing(manifest, keys)) not in {f"signed by {name}" for name in keys}:
        raise ReleaseError(
            f"release {manifest.release} must be signed by one of the keys {', '.join(keys)}, found it {found}",
            remedy="promote it again where POLYMART_SIGNING_KEY_FILE names the key, or add the signer's public key to "
            "the file POLYMART_RELEASE_KEYS if it is to be trusted",
        )


def _statement(manifest: ReleaseManifest) -> bytes:
    # the first line keeps a signature of anything else from passing for that of a release
    return f"polymart release 1\n{manifest.release}\n{manifest.digest}\n".encode()


def _read(file: Path | None) -> bytes:
    try:
        return Path(file or "").read_bytes()
    except OSError as error:
        raise SettingError(f"the key file {file} cannot be read: {error.strerror}", remedy=MAKE_ONE) from error
