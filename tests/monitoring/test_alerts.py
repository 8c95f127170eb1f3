"""Alert rules by promtool, routes by amtool, and one real Alertmanager that delivers."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from alerting import ALERTS, ROOT, alertmanager, deliver_to, placed_config, post, prometheus, rules, tools
from fixtures.drift_reports import broken_report, write_reports
from stand_ins.alert_receiver import AlertReceiver

from monitoring.metrics import HELP
from monitoring.site import make_site
from polymart.outcome import ALERT as OF_A_RUN
from serving.server import free_port

OF_THE_SERVICE = {
    "up",
    "bentoml_service_request_total",
    "bentoml_service_request_duration_seconds_bucket",
    "polymart_prediction_log_dropped_total",
    "polymart_variant_requests_total",
}
TESTS = [ALERTS / "rules_test.yaml", ALERTS / "rules_hours_test.yaml"]
ANCHORS = {
    re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-"): title
    for title in re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), flags=re.MULTILINE)
}


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_fire_and_stay_silent_as_written() -> None:
    promtool = tools("prometheus") / "promtool"
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", ALERTS / "rules.yaml")
    run(promtool, "test", "rules", *TESTS)


def test_a_rule_whose_bound_moved_fails_its_test(tmp_path: Path) -> None:
    text = (ALERTS / "rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(text.replace("polymart_performance_loss_ratio >= 0.1", "vector(0) > 1"))
    (tmp_path / "rules_test.yaml").write_text((ALERTS / "rules_test.yaml").read_text())
    command = [tools("prometheus") / "promtool", "test", "rules", tmp_path / "rules_test.yaml"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "PolymartPerformanceFell" in done.stdout + done.stderr


def test_every_alert_is_seen_firing_and_silent() -> None:
    seen: dict[str, set[bool]] = {rule["alert"]: set() for rule in rules()}
    for group in [group for file in TESTS for group in yaml.safe_load(file.read_text())["tests"]]:
        for case in group["alert_rule_test"]:
            seen[case["alertname"]].add(bool(case["exp_alerts"]))
    assert {name: outcomes for name, outcomes in seen.items() if outcomes != {True, False}} == {}


def test_every_series_of_a_rule_is_written_by_somebody() -> None:
    ours = {f"polymart_{name}" for name in HELP}
    for rule in rules():
        names = set(re.findall(r"\b(?:polymart|bentoml)_\w+|\bup\b", rule["expr"]))
        assert names, rule["alert"]
        assert names <= ours | OF_THE_SERVICE, rule["alert"]


def test_every_alert_has_a_runbook_section_and_every_section_its_alert() -> None:
    linked = {rule["annotations"]["runbook_url"] for rule in rules()}
    assert linked == {f"docs/runbook.md#{rule['alert'].lower()}" for rule in rules()}
    assert {link.partition("#")[2] for link in linked} <= ANCHORS.keys()
    sections = {title for title in ANCHORS.values() if title.startswith("Polymart")}
    assert sections == {rule["alert"] for rule in rules()} | {OF_A_RUN}  # a failed run tells Alertmanager itself


def test_every_alert_says_how_loud_it_is() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}, rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys(), rule["alert"]


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=ticket task=churn", "shop"),
        ("severity=ticket task=fraud_ieee", "payments"),
        ("severity=page task=demand", "on-call,shop"),
        ("severity=page task=fraud", "on-call,payments"),
        ("severity=info task=fraud", "journal"),
        ("severity=ticket", "shop"),
    ],
)
def test_severity_and_owner_lead_to_their_receiver(labels: str, receivers: str, tmp_path: Path) -> None:
    config, amtool = placed_config(tmp_path), tools("alertmanager") / "amtool"
    run(amtool, "check-config", config)
    test = [amtool, "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receivers}"]
    assert run(*test, *labels.split()).strip() == receivers


def test_no_secret_stands_in_the_configuration() -> None:
    for receiver in yaml.safe_load((ALERTS / "alertmanager.yaml").read_text())["receivers"]:
        for kind, ways in receiver.items():
            for way in ways if kind.endswith("_configs") else ():
                told = str(way)
                assert "_file" in told, f"{receiver['name']} names no secret file"
                assert not re.search(r"'(api_url|routing_key|service_key|credentials|password)'", told)


def alert(name: str, task: str, severity: str, *, ended: bool = False) -> dict[str, Any]:
    now = datetime.now(UTC)
    rule = next(rule for rule in rules() if rule["alert"] == name)
    return {
        "labels": {"alertname": name, "task": task, "severity": severity},
        "annotations": rule["annotations"] | {"summary": f"{task} moved"},
        "startsAt": (now - timedelta(minutes=5)).isoformat(),
        "endsAt": (now + timedelta(minutes=-1 if ended else 5)).isoformat(),
    }


def test_a_real_alertmanager_delivers_groups_silences_inhibits_and_resolves(tmp_path: Path) -> None:
    config = placed_config(tmp_path, group_wait="0s", group_interval="1s")
    with AlertReceiver() as receiver:
        deliver_to(config, receiver.url)
        with alertmanager(tmp_path, config) as url:
            hour = [datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)]
            post(f"{url}/api/v2/silences", {
                "matchers": [{"name": "task", "value": "churn", "isRegex": False, "isEqual": True}],
                "startsAt": hour[0].isoformat(), "endsAt": hour[1].isoformat(), "createdBy": "Ada",
                "comment": "a campaign, known",
            })  # fmt: skip
            post(f"{url}/api/v2/alerts", [alert("PolymartDataBroken", "fraud", "page")])
            receiver.wait(lambda message: message.path == "/pagerduty")
            firing = [
                alert("PolymartDrift", "churn", "ticket"),  # silenced
                alert("PolymartDrift", "fraud", "ticket"),  # inhibited by the broken data of the same task
                alert("PolymartDrift", "demand", "ticket"),
                alert("PolymartRetrainDecided", "demand", "info"),
            ]
            post(f"{url}/api/v2/alerts", firing)
            page = receiver.wait(lambda message: message.path == "/pagerduty")
            owners = receiver.wait(lambda message: message.path == "/slack/payments")
            shop = receiver.wait(lambda message: message.path == "/slack/shop")
            kept = receiver.wait(lambda message: message.path == "/journal")
            titles = {one.body["attachments"][0]["title"] for one in receiver.messages if "slack" in one.path}
            post(f"{url}/api/v2/alerts", [alert("PolymartDataBroken", "fraud", "page", ended=True)])
            receiver.wait(lambda message: message.body.get("event_action") == "resolve")
            receiver.wait(lambda message: message.path == "/slack/payments" and "Resolved" in str(message.body))
    assert (page.body["routing_key"], page.body["event_action"]) == ("routing-key-of-the-test", "trigger")
    assert page.body["payload"]["summary"] == "PolymartDataBroken (fraud)"
    assert page.body["links"][0]["href"].endswith("/docs/runbook.md#polymartdatabroken")
    assert owners.body["attachments"][0]["title_link"] == page.body["links"][0]["href"]
    assert shop.body["attachments"][0]["text"].startswith("demand moved\nThe report names them")
    assert kept.token == "Bearer token-of-the-test"
    assert kept.body["groupLabels"] == {"alertname": "PolymartRetrainDecided", "task": "demand"}
    assert titles == {"PolymartDataBroken (fraud)", "PolymartDrift (demand)"}  # neither silenced nor inhibited ones


def test_a_real_prometheus_fires_on_a_written_report(tmp_path: Path) -> None:
    fresh = {"newest_event": datetime.now(UTC).replace(tzinfo=None)}
    write_reports(tmp_path, broken_report().model_copy(update=fresh))
    server = uvicorn.Server(uvicorn.Config(make_site(tmp_path), port=(port := free_port()), log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with prometheus(tmp_path, f"127.0.0.1:{port}") as url:
            deadline, fired = time.monotonic() + 60, {}
            while "PolymartDataBroken" not in fired:
                assert time.monotonic() < deadline, (tmp_path / "prometheus.log").read_text()
                time.sleep(0.2)
                alerts = httpx.get(f"{url}/api/v1/alerts").json()["data"]["alerts"]
                fired = {one["labels"]["alertname"]: one for one in alerts if one["state"] == "firing"}
    finally:
        server.should_exit = True
        thread.join()
    assert fired.keys() == {"PolymartDataBroken"}
    assert fired["PolymartDataBroken"]["labels"]["task"] == "demand"
    assert fired["PolymartDataBroken"]["annotations"]["summary"] == "demand: the newest window's data are broken"
