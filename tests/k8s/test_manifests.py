"""The kustomizations, rendered by the real kubectl: strict schemas, and that they differ where they should."""

from __future__ import annotations

import pytest
import yaml
from fixtures.overlays import K8S, OVERLAYS, container, copied, crd_schemas, find, kubectl, pod, rendered

from polymart.errors import ReleaseError
from polymart.release.manifests import broken_schemas, render, validate_overlays

TOGETHER = [
    [OVERLAYS["local"]],
    [OVERLAYS["staging"], K8S / "overlays/staging-next"],
    [OVERLAYS["production"]],
    [K8S / "training"],
    [K8S / "argocd"],
]
FOLDERS = [folder for folders in TOGETHER for folder in folders]


@pytest.mark.parametrize("folders", TOGETHER, ids=lambda folders: folders[-1].name)
def test_every_kustomization_is_valid_and_keeps_the_policies(folders):
    assert validate_overlays(folders, kubectl(), crd_schemas())


def test_every_kustomization_is_tested():
    taken = {
        (path.parent / entry).resolve()
        for path in K8S.rglob("kustomization.yaml")
        for field in ("resources", "components")
        for entry in yaml.safe_load(path.read_text()).get(field, [])
    }
    untaken = {path.parent for path in K8S.rglob("kustomization.yaml")} - taken - set(FOLDERS)
    assert untaken == {K8S / "components/gpu"}, "nobody renders these"


def test_gpu_component_fits_every_serving(tmp_path):
    staging = yaml.safe_load((OVERLAYS["staging"] / "kustomization.yaml").read_text())
    folder = copied(tmp_path, "staging", components=[*staging["components"], "../../components/gpu"])
    documents = validate_overlays([folder], kubectl(), crd_schemas())
    assert container(documents)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "POLYMART_RUNTIME", "value": "torch-bfloat16"} in container(documents)["env"]


def test_overlays_differ_in_substance():
    kinds = {name: {document["kind"] for document in rendered(folder)} for name, folder in OVERLAYS.items()}
    assert {"HorizontalPodAutoscaler", "ExternalSecret", "PrometheusRule"} <= kinds["staging"] - kinds["local"]
    assert {"Rollout", "ScaledObject", "Gateway", "HTTPRoute"} <= kinds["production"] - kinds["staging"]
    assert find(rendered(OVERLAYS["local"]), "Deployment", "serving")["spec"]["replicas"] == 1
    stores = {name: online_store(name) for name in OVERLAYS}
    assert stores == {"local": "sqlite", "staging": "postgres", "production": "redis"}


def online_store(overlay: str) -> str:
    """The type that serving's pods would open."""
    documents = rendered(OVERLAYS[overlay])
    environment = {variable["name"]: variable.get("value") for variable in container(documents)["env"]}
    if "FEAST_FS_YAML_FILE_PATH" not in environment:
        return "sqlite"
    text = find(documents, "ConfigMap", "polymart-feast")["data"]["feature_store.yaml"]
    return yaml.safe_load(text)["online_store"]["type"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_events_can_write_the_online_store(overlay):
    """Locally SQLite in the folder, so the folder is writable; elsewhere a server, so nobody writes the folder."""
    served = container(rendered(OVERLAYS[overlay]))
    mount = next(mount for mount in served["volumeMounts"] if mount["name"] == "feature-store")
    volume = next(v for v in pod(rendered(OVERLAYS[overlay]))["volumes"] if v["name"] == "feature-store")
    read_only = [bool(mount.get("readOnly")), bool(volume["persistentVolumeClaim"].get("readOnly"))]
    assert read_only == [overlay != "local"] * 2


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_store_on_a_server_is_the_repositorys_but_for_its_online_part(overlay):
    text = find(rendered(OVERLAYS[overlay]), "ConfigMap", "polymart-feast")["data"]["feature_store.yaml"]
    mine = yaml.safe_load((K8S.parent / "feature_repo/feature_store.yaml").read_text())
    theirs = yaml.safe_load(text)
    for settings in (mine, theirs):
        del settings["online_store"], settings["registry"]["path"]
    assert theirs == mine


def test_probes_ask_what_bentoml_answers():
    served = container(rendered(OVERLAYS["local"]))
    assert served["ports"] == [{"containerPort": 3000, "name": "http"}]
    paths = {probe: served[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


@pytest.mark.parametrize(
    ("mutate", "place"),
    [
        (lambda d: find(d, "Deployment", "serving")["spec"].update(replica=3), "Deployment/polymart-serving: spec"),
        (lambda d: container(d)["readinessProbe"].update(timeout=3), "containers.0.readinessProbe"),
        (lambda d: find(d, "Deployment", "serving")["spec"].update(replicas="3"), "spec.replicas"),
        (lambda d: d.append({"apiVersion": "shop/v1", "kind": "Basket", "metadata": {"name": "b"}}), "Basket/b"),
        (lambda d: d.append({"kind": "Pod", "metadata": {"name": "p"}}), "Pod/p: apiVersion is missing"),
    ],
)
def test_strict_schemas_name_the_place(mutate, place):
    documents = rendered(OVERLAYS["local"])
    mutate(documents)
    found = broken_schemas(documents)
    assert len(found) == 1
    assert place in found[0]


@pytest.mark.parametrize(
    ("mutate", "place"),
    [
        (lambda d: find(d, "Rollout")["spec"]["strategy"]["canary"].update(stable="x"), "spec.strategy.canary"),
        (lambda d: find(d, "Rollout")["spec"]["strategy"]["canary"]["steps"][0].update(setWeight="10"), "steps.0"),
        (lambda d: find(d, "ScaledObject")["spec"]["triggers"][0].pop("metadata"), "spec.triggers.0"),
        (lambda d: find(d, "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0].update(prt=80), "backendRefs.0"),
        (lambda d: find(d, "ExternalSecret")["spec"]["data"][0].update(value="s"), "spec.data.0"),
        (lambda d: find(d, "PodMonitor")["spec"].update(podMetricEndpoints=[]), "spec"),
        (lambda d: find(d, "PrometheusRule")["spec"]["groups"][0]["rules"][0].update(exprs="1"), "rules.0"),
        (lambda d: find(d, "AnalysisTemplate")["spec"]["metrics"][0].update(failure="1"), "metrics.0"),
        (lambda d: find(d, "Gateway")["spec"]["listeners"][0].update(port="443"), "listeners.0.port"),
        (lambda d: find(d, "Rollout").update(apiVersion="argoproj.io/v9"), "unknown kind"),
        (lambda d: find(d, "Rollout").update(kind="Rollup"), "unknown kind"),
    ],
)
def test_schemas_of_custom_resources_are_strict_too(mutate, place):
    documents = rendered(OVERLAYS["production"])
    mutate(documents)
    found = broken_schemas(documents, crd_schemas())
    assert found
    assert place in found[0]


def test_custom_kinds_without_schemas_are_refused_with_the_remedy():
    with pytest.raises(ReleaseError, match=r"Rollout is no kind of Kubernetes 1.34; give --crd-schemas"):
        validate_overlays([OVERLAYS["production"]], kubectl())


def test_the_same_object_in_two_overlays_is_refused():
    with pytest.raises(ReleaseError, match=r"Namespace/polymart-local is rendered 2 times"):
        validate_overlays([OVERLAYS["local"], OVERLAYS["local"]], kubectl())


def test_a_broken_overlay_is_told_by_name(tmp_path):
    with pytest.raises(ReleaseError, match=r"images_by_digest: Deployment/polymart-serving/bento"):
        validate_overlays(
            [copied(tmp_path, "local", images=[{"name": "polymart-serving", "newTag": "latest"}])], kubectl()
        )


def test_an_overlay_that_cannot_be_rendered_is_told(tmp_path):
    with pytest.raises(ReleaseError, match="cannot be rendered"):
        render(tmp_path, kubectl())
    with pytest.raises(ReleaseError, match="cannot be rendered"):
        render(copied(tmp_path, "local", resources=["absent.yaml"]), kubectl())
