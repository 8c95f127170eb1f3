"""Training on several machines: the manifest, and a cluster that is a small HTTP server."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import tiny_suite, write_tiny_examples
from kubernetes import client
from stand_ins.kube_server import KubeServer

from components import cluster as cluster_module
from components.cluster import Place
from components.train_job import train_job, train_on_machines
from polymart.errors import SettingError, TableError, TrainingError
from polymart.training.checkpoint import checkpoint_digest

ROOT = Path(__file__).parents[2]
CRD = ROOT.parent / "shared/crd-schemas/crds/trainer.kubeflow.org_trainjobs.yaml"
EXAMPLE = ROOT / "k8s/training/trainjob.example.yaml"
LIMITS = {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}
SUITE = tiny_suite("mood", max_steps=4, evaluate_every=2, distributed={"nodes": 2, "processes": 1})


def example() -> dict:
    """What the step submits for two machines with one GPU each."""
    place = Place(
        namespace="polymart-training",
        image="registry.example/polymart@sha256:" + "0" * 64,
        claim="polymart-work",
        mount="/polymart",
        resources={"limits": dict(LIMITS), "requests": dict(LIMITS)},
        environment={"POLYMART_WORK_DIR": "/polymart"},
    )
    suite, folder = SUITE.model_copy(update={"name": "shop"}), Path("/polymart/training/shop-0123456789ab-job")
    return train_job("polymart-shop-0123456789ab", folder, suite, place)


def closed(schema):
    """The schema with unknown fields refused, as the API server prunes them."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items() if not name.startswith("x-kubernetes")}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@pytest.fixture(scope="module")
def schema():
    if not CRD.is_file():
        pytest.skip(f"no schema of TrainJob at {CRD}")
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    found = closed(version["schema"]["openAPIV3Schema"])
    found["properties"]["metadata"] = {"type": "object"}
    return found


def test_the_manifest_keeps_the_schema(schema):
    jsonschema.validate(example(), schema)


@pytest.mark.parametrize(
    "harm",
    [
        lambda job: job["spec"]["trainer"].update(nodes=2),
        lambda job: job["spec"]["trainer"].update(numNodes="2"),
        lambda job: job["spec"].pop("runtimeRef"),
        lambda job: job["spec"]["runtimePatches"][0].pop("manager"),
        lambda job: job["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"].update(jobs=[]),
    ],
)
def test_the_schema_finds_a_wrong_field(schema, harm):
    broken = json.loads(json.dumps(example()))
    harm(broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_the_example_is_what_the_step_submits():
    assert yaml.safe_load(EXAMPLE.read_text()) == example()


@pytest.mark.parametrize("name", ["work.yaml", "role.yaml"])
def test_what_the_step_needs_on_a_cluster_is_valid(name):
    for document in yaml.safe_load_all((ROOT / "k8s/training" / name).read_text()):
        kubernetes_validate.validate(document, "1.34", strict=True)


def test_the_role_allows_what_the_step_asks(shop, cluster):
    server, work = cluster
    server.look = finished(work, shop)
    submit(server, shop, work)
    verbs = {"POST": "create", "GET": "get", "DELETE": "delete"}
    asked = {("pods" if "/pods/" in path else "trainjobs", verbs[method]) for method, path in server.requests}
    role = next(yaml.safe_load_all((ROOT / "k8s/training/role.yaml").read_text()))
    allowed = {(kind, verb) for rule in role["rules"] for kind in rule["resources"] for verb in rule["verbs"]}
    assert asked == allowed


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tiny_encoder(folder / "encoder")
    write_tiny_examples(folder / "examples")
    return folder


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster with the step's own pod, whose work folder lies on a claim."""
    (tmp_path / "namespace").write_text("kubeflow\n")
    monkeypatch.setattr(cluster_module, "ACCOUNT", tmp_path)
    monkeypatch.setenv("HOSTNAME", "train-suite-1")
    monkeypatch.setenv("POLYMART_WORK_DIR", str(tmp_path / "work"))
    with KubeServer() as server:
        main = {
            "name": "main",
            "image": "registry.example/polymart@sha256:1",
            "resources": {"limits": LIMITS},
            "volumeMounts": [{"name": "work", "mountPath": str(tmp_path / "work")}, {"name": "x", "mountPath": "/x"}],
        }
        volumes = [{"name": "work", "persistentVolumeClaim": {"claimName": "shared"}}, {"name": "x", "emptyDir": {}}]
        server.pods["kubeflow", "train-suite-1"] = {
            "kind": "Pod",
            "apiVersion": "v1",
            "spec": {"containers": [{"name": "wait", "image": "argo"}, main], "volumes": volumes},
        }
        yield server, tmp_path / "work"


def submit(server: KubeServer, shop: Path, work: Path, out: str = "out"):
    api = client.ApiClient(client.Configuration(host=server.host))
    state = work / "training" / "tiny-0123456789ab"
    return train_on_machines(shop / "examples", shop / "encoder", SUITE, work.parent / out, state, api=api, poll_s=0.01)


def end(job: dict, kind: str, message: str = "") -> None:
    job["status"] = {"conditions": [{"type": kind, "status": "True", "message": message}]}


def finished(work: Path, shop: Path):
    """A cluster on which the job is done at once, with a checkpoint that is one file."""

    def look(job: dict) -> None:
        folder = Path(job["spec"]["trainer"]["args"][0])
        (folder / "checkpoint").mkdir(exist_ok=True)
        (folder / "checkpoint" / "manifest.json").write_text("{}")
        (folder / "result.json").write_text(json.dumps({"digest": "sha256:1", "log": {"best_step": 4}}))
        end(job, "Complete")

    return look


def test_two_machines_train_what_the_job_says(shop, cluster):
    """Runs the manifest's command once a machine, with the variables that Kubeflow Trainer sets."""
    server, work = cluster
    machines: list[subprocess.Popen] = []

    def look(job: dict) -> None:
        trainer = job["spec"]["trainer"]
        if not machines:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            for rank in range(trainer["numNodes"]):
                meeting = {
                    "PET_NNODES": str(trainer["numNodes"]),
                    "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
                    "PET_NODE_RANK": str(rank),
                    "PET_MASTER_ADDR": "127.0.0.1",
                    "PET_MASTER_PORT": str(port),
                }
                command = [sys.executable, *trainer["command"][1:], *trainer["args"]]
                machines.append(subprocess.Popen(command, env=os.environ | meeting, cwd=ROOT))
        codes = [machine.poll() for machine in machines]
        if None not in codes:
            end(job, "Failed" if any(codes) else "Complete")

    server.look = look
    digest, log = submit(server, shop, work)
    assert digest == checkpoint_digest(work.parent / "out")
    assert [row["step"] for row in log.loss] == [1, 2, 3, 4]
    assert server.jobs == {}
    assert list((work / "training").iterdir()) == [], "neither state nor inputs are left"


def test_the_job_gets_what_the_step_has(shop, cluster):
    server, work = cluster
    seen = []
    done = finished(work, shop)
    server.look = lambda job: (seen.append(json.loads(json.dumps(job))), done(job))
    assert submit(server, shop, work)[0] == "sha256:1"
    trainer = seen[0]["spec"]["trainer"]
    assert trainer["image"] == "registry.example/polymart@sha256:1"
    assert trainer["resourcesPerNode"] == {"limits": LIMITS}
    assert {"name": "POLYMART_WORK_DIR", "value": str(work)} in trainer["env"]
    pod = seen[0]["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
    assert pod["template"]["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "shared"}


def test_a_second_attempt_takes_over_the_job_that_runs(shop, cluster):
    server, work = cluster
    looks = []

    def dies(job: dict) -> None:
        looks.append(job)
        if len(looks) == 3:
            server.refuse = 503

    server.look = dies
    with pytest.raises(TrainingError, match=r"the cluster answered 503 .* about TrainJob polymart-tiny-0123456789ab"):
        submit(server, shop, work)
    server.refuse, server.look = 0, finished(work, shop)
    assert submit(server, shop, work)[0] == "sha256:1"
    assert [method for method, _ in server.requests].count("POST") == 1


def test_a_failed_job_is_told_kept_and_tried_again(shop, cluster):
    server, work = cluster
    server.look = lambda job: end(job, "Failed", "jobset failed")
    with pytest.raises(
        TrainingError, match="Failed jobset failed; see kubectl -n kubeflow describe trainjob"
    ) as caught:
        submit(server, shop, work)
    assert "goes on from the state in" in caught.value.remedy
    assert len(server.jobs) == 1
    looks = []

    def succeeds_when_made_anew(job: dict) -> None:
        looks.append(job)
        if "status" not in job:
            finished(work, shop)(job)

    server.look = succeeds_when_made_anew
    assert submit(server, shop, work)[0] == "sha256:1"
    assert [method for method, _ in server.requests].count("POST") == 2


def test_what_the_first_process_found_wrong_is_the_error(shop, cluster):
    server, work = cluster

    def look(job: dict) -> None:
        error = {"kind": "TableError", "message": "no table", "remedy": "make one"}
        (Path(job["spec"]["trainer"]["args"][0]) / "error.json").write_text(json.dumps(error))
        end(job, "Failed")

    server.look = look
    with pytest.raises(TableError, match="no table"):
        submit(server, shop, work)


def test_a_work_folder_on_no_shared_volume_is_refused(shop, cluster, tmp_path):
    server, _ = cluster
    with pytest.raises(SettingError, match=r"(?s)is on none.*polymart-work"):
        submit(server, shop, tmp_path / "elsewhere")
    assert server.jobs == {}


def test_outside_a_cluster_several_machines_are_refused(shop, tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SettingError, match="runs in no cluster"):
        train_on_machines(shop / "examples", shop / "encoder", SUITE, tmp_path / "out", tmp_path / "state")


if __name__ == "__main__":
    EXAMPLE.write_text(
        "# What the training step submits for training.distributed: {nodes: 2, processes: 1}.\n"
        + yaml.safe_dump(example(), sort_keys=False)
    )
