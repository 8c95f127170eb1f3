"""Other models that a candidate is held against on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from polymart.errors import CheckpointError, PolymartError
from polymart.files import read_json, write_json
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import verify_checkpoint

ABOUT, CHECKPOINT = "champion.json", "checkpoint"


@dataclass(frozen=True, slots=True)
class Champion:
    """The model of the release that runs now."""

    release: str
    """Its name, e.g. ``shop-0123456789ab``."""
    checkpoint: Path
    """Its checkpoint folder."""

    def load(self) -> Predictor:
        """The champion, ready to answer.

        Raises:
            CheckpointError: this code cannot read what an older one wrote.
        """
        try:
            return Predictor.load(self.checkpoint)
        except (PolymartError, ValidationError) as error:
            raise CheckpointError(
                f"champion {self.release} cannot be loaded by this code: {error}",
                remedy="set gates.champion to false in the suite until a model of this code is released",
            ) from error


def write_champion(folder: Path, release: str, digest: str, note: str) -> None:
    """Write ``champion.json``; the checkpoint lies beside it as ``checkpoint/``.

    Args:
        folder: the champion's folder.
        release: its name; empty where there is none.
        digest: digest of its checkpoint; empty where there is none.
        note: one line for a reader.
    """
    write_json(folder / ABOUT, {"version": 1, "release": release, "digest": digest, "note": note})


def read_champion(folder: Path) -> Champion | None:
    """The champion that `fetch_champion` left in ``folder``; None where the candidate has no rival of that kind.

    Raises:
        CheckpointError: its checkpoint was changed since, or is another one.
        StorageError: the folder holds no ``champion.json``.
    """
    about = read_json(folder / ABOUT)
    if not about["release"]:
        return None
    found = verify_checkpoint(folder / CHECKPOINT)
    if found != about["digest"]:
        raise CheckpointError(
            f"the checkpoint of champion {about['release']} must have digest {about['digest']}, found {found}",
            remedy=f"delete {folder}: the next run fetches it again",
        )
    return Champion(about["release"], folder / CHECKPOINT)
