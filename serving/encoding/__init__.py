"""The service's one way through the shared encoder: batched, cached and bounded.

- `trunk`, `packaged`: the encoder's fast form and the vectors of documents, made at packaging.
- `runtimes`: what runs a forward pass.
- `batching`: few threads that encode whatever texts wait.
- `vectors`: texts or token ids to vectors; what everyone else calls.
"""

from __future__ import annotations

from serving.encoding.vectors import Vectors

__all__ = ["Vectors"]
