"""The pinned requirements of the service: the versions that run here, with everything they need in turn."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from polymart.errors import ReleaseError

ROOTS = ("bentoml", "cachetools", "cryptography", "feast[duckdb,postgres,redis]", "httpx", "limits", "numpy",
         "openvino", "pandas", "platformdirs", "prometheus-client", "psutil", "pyarrow", "pydantic",
         "pydantic-settings", "pyjwt[crypto]", "pyyaml", "safetensors", "starlette", "tokenizers", "torch",
         "transformers", "typeguard", "usearch")  # fmt: skip
"""What ``serving``, ``feature_repo`` and the parts of ``polymart`` behind them import."""


def pinned_requirements(roots: tuple[str, ...] = ROOTS) -> list[str]:
    """``name==version`` of ``roots`` and everything installed that they need, sorted.

    BentoML could lock them itself, but its lock resolves the CUDA build of torch and other versions than those
    the candidate was trained and tested with.

    Raises:
        ReleaseError: a root is not installed.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            if name in map(canonicalize_name, roots):
                raise ReleaseError(
                    f"package {name} must be installed to package the service, found none",
                    remedy="install the project with its dependencies",
                ) from None
            continue  # a dependency for another platform
        # A local version such as 2.13.0+cpu names a build that no index offers under that name.
        pins[name] = found.version.partition("+")[0]
        for extra in {"", *wanted.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [need for line in found.requires or () if _applies(need := Requirement(line), extra)]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def _applies(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})
