"""The PrometheusRule is monitoring's rules file in the operator's envelope. Run this file to write it again."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring/alerts/rules.yaml"
MANIFEST = ROOT / "k8s/components/prometheus/rules.yaml"
HEADER = "# Generated from monitoring/alerts/rules.yaml by `python tests/k8s/test_prometheus_rule.py`.\n"


def manifest() -> str:
    envelope = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "polymart"}}
    document = envelope | {"spec": yaml.safe_load(RULES.read_text())}
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=110)


def test_the_operator_gets_the_rules_that_promtool_tested():
    assert MANIFEST.read_text() == manifest()


if __name__ == "__main__":
    MANIFEST.write_text(manifest())
