"""The command as users start it: statuses, messages on stderr, no traceback unless asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from polymart.cli import main as cli
from polymart.errors import SuiteError

HELP_SECONDS = 1.0


def polymart(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "polymart.cli.main", *args],
        capture_output=True,
        text=True,
        env=os.environ | {"POLYMART_DEBUG": ""} | env,
        timeout=60,
    )


def test_help_names_every_command_and_is_fast():
    elapsed = []
    for _ in range(3):  # the best of three, because the machine may be busy
        start = time.perf_counter()
        done = polymart("--help")
        elapsed.append(time.perf_counter() - start)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("data", "doctor", "schema"))
    assert min(elapsed) < HELP_SECONDS


def test_help_loads_none_of_the_slow_libraries():
    code = (
        "import sys; sys.argv[1:] = ['--help']\nfrom polymart.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'kfp', 'feast', 'mlflow', 'pandas', 'bentoml', 'evidently'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("[]")


def test_a_users_mistake_ends_with_2_and_a_remedy_on_stderr():
    done = polymart("data", "fetch", "nope")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "error: no archive is called 'nope'"
    assert done.stderr.splitlines()[1].startswith("remedy: use one of:")


@pytest.mark.parametrize("where", [("--debug", "data", "fetch", "nope"), ("data", "fetch", "nope", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(where):
    done = polymart(*where)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_wrong_option_ends_with_2():
    assert polymart("data", "fetch", "--nonsense").returncode == 2


def app_that_raises(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def command() -> None:
        raise error

    return app


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException, *args: str) -> int:
    monkeypatch.setattr(cli, "build_app", lambda: app_that_raises(error))
    monkeypatch.setattr(sys, "argv", ["polymart", *args])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_a_bug_is_told_from_a_mistake(monkeypatch, capsys):
    assert ended(monkeypatch, ZeroDivisionError("division by zero")) == cli.EXIT_BUG
    told = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: division by zero" in told
    assert "Traceback" not in told


def test_a_message_is_printed_as_it_is_however_long_or_bracketed(monkeypatch, capsys):
    message = "suite [red]x[/red] " + "y" * 300
    assert ended(monkeypatch, SuiteError(message, remedy="none")) == cli.EXIT_USER_ERROR
    assert f"error: {message}\n" in capsys.readouterr().err


def test_an_interruption_says_that_finished_steps_are_kept(monkeypatch, capsys):
    assert ended(monkeypatch, KeyboardInterrupt()) == cli.EXIT_INTERRUPTED
    told = capsys.readouterr().err.strip()
    assert (
        told == "interrupted: finished steps and the state of a training are kept, the same command goes on from there"
    )


def test_ctrl_c_in_a_real_process(tmp_path: Path):
    code = (
        "import time, typer\nfrom polymart.cli import main as cli\n"
        "app = typer.Typer()\n@app.command()\ndef wait():\n    print('ready', flush=True); time.sleep(60)\n"
        "cli.build_app = lambda: app\ncli.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "finished steps and the state of a training are kept" in told
    assert "Traceback" not in told


def test_every_command_module_is_registered():
    folder = Path(cli.__file__).parent
    with_app = {p.stem for p in folder.glob("*.py") if "\napp = typer.Typer(" in p.read_text()}
    assert with_app == set(cli.COMMANDS)
