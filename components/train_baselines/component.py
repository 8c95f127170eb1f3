"""Component `train_baselines`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_baselines(
    examples: dsl.Input[dsl.Dataset],
    baselines: dsl.Output[dsl.Model],
    suite: str,
    code_version: str,
) -> None:
    """Train a model of each task alone, where the suite holds its tasks against such models.

    Each is kept in ``baselines/`` of the work folder, and trained again only where its examples, its settings or the
    code of the training changed; an attempt after a failed one goes on where that stopped.

    Args:
        examples: folder written by `retrieve_features`.
        baselines: folder with ``<task>/``, a checkpoint of that task alone, and ``baselines.json`` (digest, best step,
            seconds); without any task where ``gates.single_task`` is false.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.

    Raises:
        TrainingError: a task has no rows, a loss became NaN, or a process of the training died.
    """
    from pathlib import Path

    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.training.single import train_singles

    with shown_to_user():
        train_singles(Path(examples.path), Suite.from_json(suite), Path(baselines.path), Settings())
