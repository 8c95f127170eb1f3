"""Component `probe_bento`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def probe_bento(
    bento: dsl.Input[dsl.Model],
    checkpoint: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    feature_store: dsl.Input[dsl.Artifact],
    probe: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    code_version: str,
) -> None:
    """Start the very bento, query it, compare every head with the trainer, measure latency, stop it.

    Args:
        bento: folder written by `package_bento`.
        checkpoint: folder written by `train_suite`; the reference for parity.
        examples: folder written by `retrieve_features`; source of the golden requests.
        feature_store: folder written by `materialize_features`.
        probe: JSON with ``status`` (``pass`` or ``fail``), ``cause`` of a failure, the largest difference per head,
            the tasks without an endpoint, each request's duration, p50 and p99 in milliseconds, seconds until ready.
        metrics: the numbers that were measured.
        code_version: digest of the library's source; a cache key.

    Raises:
        CheckpointError: the checkpoint does not match its manifest.
    """
    from pathlib import Path

    from polymart.errors import shown_to_user
    from polymart.files import write_json
    from serving.probe import probe_outcome

    with shown_to_user():
        result = probe_outcome(Path(bento.path), Path(checkpoint.path), Path(examples.path), Path(feature_store.path))
    if result["unserved"]:
        print(f"no endpoint serves {', '.join(result['unserved'])} yet: these heads were not probed", flush=True)
    if result["status"] == "fail":
        print(result["log"], flush=True)
    write_json(probe.path, result)
    for name in ("ready_s", "p50_ms", "p99_ms", "max_difference"):
        if result[name] is not None:
            metrics.log_metric(name, result[name])
    write_json(metrics.path, metrics.metadata)  # an artifact without a file is never found in the local cache
