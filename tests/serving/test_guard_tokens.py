"""JSON Web Tokens: only the issuer's, for this audience, in time, with scopes."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from guarded import bearer, client, keys_for
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from polymart.errors import SettingError
from serving.guard.tokens import read_key_set

ISSUER, AUDIENCE = "https://login.shop.example", "polymart"
SIGNER, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PEM = SIGNER.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)  # fmt: skip


def key_set(path: Path, *kids: str) -> Path:
    """A JWKS file with `SIGNER`'s public key under each of ``kids`` and `EDWARDS`'s under ``ed``."""
    keys = [json.loads(ECAlgorithm.to_jwk(SIGNER.public_key())) | {"kid": kid} for kid in kids]
    keys.append(json.loads(OKPAlgorithm.to_jwk(EDWARDS.public_key())) | {"kid": "ed"})
    path.write_text(json.dumps({"keys": keys}))
    return path


def token(key: Any = SIGNER, algorithm: str = "ES256", kid: str | None = "one", **claims: Any) -> str:
    """A valid token; ``claims`` replace or, where None, remove its own."""
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "shop-web", "exp": now + 60, "scope": "predict events"} | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers={"kid": kid} if kid else None)


def forged_with_public_key() -> str:
    """Signed by HMAC with the public key as its secret: what a confused verifier accepts."""
    head, body = ({"alg": "HS256", "kid": "one"}, {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": 2**33})
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, body))
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return (text + b"." + base64.urlsafe_b64encode(signature.sign(text, PEM)).rstrip(b"=")).decode()


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = key_set(tmp_path / "jwks.json", "one")
    monkeypatch.setenv("POLYMART_JWT_KEYS", str(path))
    monkeypatch.setenv("POLYMART_JWT_ISSUER", ISSUER)
    return path


def test_a_valid_token_opens_what_its_scopes_name(keys: Path) -> None:
    with client() as shop:
        for valid in (token(), token(EDWARDS, "EdDSA", "ed"), token(aud=["other", AUDIENCE])):
            assert shop.get("/demand", headers=bearer(valid)).status_code == 200
            assert shop.get("/events", headers=bearer(valid)).status_code == 200
            assert shop.get("/metrics", headers=bearer(valid)).status_code == 403
        for scope in (None, "", "admin", ["predict"], 7, "Predict"):
            assert shop.get("/demand", headers=bearer(token(scope=scope))).status_code == 403


@pytest.mark.parametrize("broken", [
    token(exp=int(time.time()) - 60), token(nbf=int(time.time()) + 600), token(exp=None), token(exp="soon"),
    token(aud="another"), token(aud=None), token(iss="https://elsewhere.example"), token(iss=None), token(sub=None),
    token(sub=7), token(STRANGER), token(kid="two"), token(kid=None), token("", "none"), token("s" * 32, "HS256"),
    forged_with_public_key(), token()[:-3] + "abc", token().rsplit(".", 1)[0] + ".", "a.b.c", "..", "x" * 5000, "\x00",
])  # fmt: skip
def test_every_other_token_is_refused(keys: Path, broken: str) -> None:
    with client() as shop:
        response = shop.get("/demand", headers=bearer(broken))
        assert response.status_code == 401
        assert response.json() == {"error": "the key is unknown, wrong or expired", "remedy": "ask the shop for a key"}


def test_keys_of_the_issuer_are_rotated_without_a_restart(keys: Path) -> None:
    with client() as shop:
        assert shop.get("/demand", headers=bearer(token(kid="two"))).status_code == 401
        key_set(keys, "one", "two")
        assert shop.get("/demand", headers=bearer(token(kid="two"))).status_code == 200
        key_set(keys, "two")
        assert shop.get("/demand", headers=bearer(token(kid="one"))).status_code == 401


def test_keys_and_tokens_stand_side_by_side_and_have_rates_of_their_own(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYMART_API_KEYS", str(tmp_path / "keys.json"))
    monkeypatch.setenv("POLYMART_REQUESTS_PER_MINUTE", "2")
    (key,) = keys_for(tmp_path / "keys.json")
    with client() as shop:
        for credential in (key, token(), token(sub="another")):
            statuses = [shop.get("/demand", headers=bearer(credential)).status_code for _ in range(3)]
            assert statuses == [200, 200, 429]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}'])
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "jwks.json").write_text(content)
    with pytest.raises(SettingError, match="key set"):
        read_key_set(tmp_path / "jwks.json")


def test_a_shared_secret_is_refused(tmp_path: Path) -> None:
    path = key_set(tmp_path / "jwks.json", "one")
    document = json.loads(path.read_text())
    document["keys"].append({"kty": "oct", "k": "c2VjcmV0", "kid": "secret"})
    path.write_text(json.dumps(document))
    with pytest.raises(SettingError, match="found a shared secret in secret"):
        read_key_set(path)
