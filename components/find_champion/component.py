"""Component `find_champion`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def find_champion(
    checkpoint: dsl.Input[dsl.Model],
    suite: str,
    repository: str = "",
    environment: str = "local",
) -> str:
    """Find the release that the candidate would replace.

    Runs anew in every run: what an environment runs stands in no input of this step. It is a step of its own so that
    the steps after it, which read its answer, are reused where the answer is the same.

    Args:
        checkpoint: folder written by `train_suite`; its metadata holds its digest.
        suite: the suite as JSON; with ``gates.champion`` false there is no champion.
        repository: deployment git repository; empty means the setting POLYMART_DEPLOY_REPO.
        environment: overlay that a passing release is promoted to.

    Returns:
        The release's manifest as JSON; empty where nothing was released before the candidate.

    Raises:
        ReleaseError: the repository cannot be reached, or a release that ran has no manifest.
    """
    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.release.champion import find_champion

    if not Suite.from_json(suite).gates.champion:
        return ""
    with shown_to_user():
        found = find_champion(
            repository or Settings().deployment_repository, environment, checkpoint.metadata["digest"]
        )
    print(f"in {environment} the candidate would replace {found.release if found else 'no release'}", flush=True)
    return found.model_dump_json() if found else ""
