"""Every command that a manifest gives to an image of ours exists, with these options."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from fixtures.overlays import OVERLAYS, rendered

from polymart.release.world import World

sys.path.append(str(Path(__file__).parents[1] / "architecture"))

from document_rules import command_fault

COMMANDS = {
    shlex.join(container["args"])
    for folder in OVERLAYS.values()
    for pod in World(rendered(folder)).pods
    for _, container in pod.containers
    if "args" in container
}


def unknown_options(words: list[str]) -> list[str]:
    """Options of a command of Feast or MLflow that its own definition does not have."""
    from feast.cli.cli import cli as feast
    from mlflow.cli import cli as mlflow

    command = {"feast": feast, "mlflow": mlflow}[words[0]]
    known: set[str] = set()
    for word in words[1:]:
        known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if not word.startswith("-"):
            command = command.commands[word]
    known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


def test_every_image_of_jobs_is_told_what_to_run():
    assert {command.split()[0] for command in COMMANDS} == {"polymart", "feast", "mlflow"}


@pytest.mark.parametrize("command", sorted(command for command in COMMANDS if command.startswith("polymart")))
def test_commands_of_polymart_resolve(command):
    assert command_fault(command, OVERLAYS["local"].parents[2]) is None


@pytest.mark.parametrize("command", sorted(command for command in COMMANDS if not command.startswith("polymart")))
def test_commands_of_feast_and_mlflow_resolve(command):
    assert unknown_options(shlex.split(command)) == []


def test_an_option_that_does_not_exist_is_seen():
    assert unknown_options(["mlflow", "server", "--port=1", "--prot=1"]) == ["--prot=1"]
    assert command_fault("polymart monitor --environmet=local", OVERLAYS["local"].parents[2])
