"""``python -m serving.catalogue CHECKPOINT``: build the catalogue of a checkpoint beside it, to serve it unpackaged."""

from __future__ import annotations

import argparse
from pathlib import Path

from polymart.model.predictor import Predictor
from serving.catalogue import build_catalogue, catalogue_folder


def main() -> None:
    """Build one catalogue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    checkpoint = parser.parse_args().checkpoint
    build_catalogue(Predictor.load(checkpoint), catalogue_folder(checkpoint))


if __name__ == "__main__":
    main()
