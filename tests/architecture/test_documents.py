"""Documents and remedies name only commands and paths that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from document_rules import command_fault, commands, make_targets, path_faults

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "docs/plan.md"  # says what is still to come
DOCUMENTS = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/**/*.md")} - {PLAN})
SOURCES = [
    p
    for room in ("polymart", "components", "pipelines", "serving", "monitoring", "feature_repo")
    for p in sorted((ROOT / room).rglob("*.py"))
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documented_commands_resolve(document):
    found = commands(document.read_text())
    assert "\n".join(f"{line}: {fault}" for line in found if (fault := command_fault(line, ROOT))) == ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documented_paths_exist(document):
    assert path_faults(document.read_text(), ROOT, document.parent) == []


def test_commands_named_in_messages_and_docstrings_resolve():
    named = {
        (path.relative_to(ROOT).as_posix(), span)
        for path in SOURCES
        for span in re.findall(r"`+(polymart [a-z][^`{]*)[`{]", path.read_text())
    }
    faults = {f"{where}: {line}: {fault}" for where, line in named if (fault := command_fault(line.strip(), ROOT))}
    assert "\n".join(sorted(faults)) == ""


TEXT = """Run `make demo`, then:

```bash
$ polymart data fetch minilm   # downloads
POLYMART_DATA_DIR=x polymart doctor --quick | head
make test ARGS="-k name"
echo polymart
```
Not a command: `polymart.cli`, `makeshift`. See `polymart/cli/main.py` and [the plan](docs/plan.md).
"""


def test_commands_are_found_in_blocks_and_spans():
    found = commands(TEXT)
    assert [line.split()[0:2] for line in found] == [
        ["polymart", "data"],
        ["polymart", "doctor"],
        ["make", "test"],
        ["make", "demo"],
    ]
    assert [command_fault(line, ROOT) for line in found] == [None] * 4


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("make tea", "no target tea"),
        ("polymart brew", "no command 'brew'"),
        ("polymart data brew", "no command 'brew'"),
        ("polymart doctor --fast", "no option --fast"),
        ("polymart data fetch --sweet=1", "no option --sweet=1"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command, fault):
    assert fault in command_fault(command, ROOT)


def test_a_path_that_does_not_exist_is_found():
    text = "`polymart/nowhere.py`, `components/*/component.py`, `polymart/errors.py`, [a](gone.md), [b](https://x.org)"
    assert path_faults(text, ROOT, ROOT) == ["polymart/nowhere.py", "gone.md"]


def test_the_promised_targets_exist():
    assert make_targets(ROOT) >= {"help", "setup", "demo", "test", "lint", "lock", "bench", "clean", "distclean"}
