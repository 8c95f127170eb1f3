"""OpenVINO, silent; nothing else may import it by itself (``lint-imports`` checks).

Importing ``openvino`` imports ``openvino_telemetry``, which reports the import to its maker and writes a file into
the home folder. Where that package cannot be imported, a stub that does nothing takes its place.
"""

from __future__ import annotations

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # Python's way to say: cannot be imported

import openvino  # noqa: E402

__all__ = ["openvino"]
