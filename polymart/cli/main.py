"""The command ``polymart``: one Typer app put together from the modules named in `COMMANDS`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from polymart.errors import PolymartError

COMMANDS = (
    "data",
    "doctor",
    "schema",
    "run",
    "tune",
    "compile",
    "serve",
    "keys",
    "monitor",
    "drift",
    "submit",
    "runs",
    "schedules",
    "upload",
    "deploy",
    "images",
    "rollback",
    "lineage",
)
"""Modules of `polymart.cli`; each holds ``app``, named if it groups commands, unnamed if it is one command.
They import what is slow inside their functions, so that ``polymart --help`` answers at once."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BUG = 70

_DEBUG = "--debug"


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="polymart",
        help="One shared transformer for all of a shop's decisions, kept fresh by a pipeline.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_global_options)
    for name in COMMANDS:
        app.add_typer(import_module(f"polymart.cli.{name}").app)
    return app


def _global_options(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Read by `main` before Typer sees the arguments."""


def main() -> None:
    """Run the command line and end the process.

    Exit status: 0 done, 1 a check found something missing, 2 a mistake that the message explains,
    70 a bug, 130 interrupted.
    """
    debug = _DEBUG in sys.argv[1:] or bool(os.environ.get("POLYMART_DEBUG"))
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != _DEBUG]
    try:
        build_app()()
    except SystemExit as stop:
        if stop.code == EXIT_INTERRUPTED:  # Typer turns Ctrl-C into this status without a word
            _say_interrupted()
        raise
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(EXIT_INTERRUPTED)
    except PolymartError as error:
        _refuse(error.message, error.remedy, debug)
        sys.exit(EXIT_USER_ERROR)
    except Exception as error:
        _refuse(
            f"unexpected {type(error).__name__}: {error}",
            f"this is a bug: run the same command with {_DEBUG} and report what it prints",
            debug,
        )
        sys.exit(EXIT_BUG)


def _refuse(message: str, remedy: str, debug: bool) -> None:
    from rich.text import Text

    from polymart.cli.console import console

    out = console(stderr=True)
    if debug:
        import traceback

        traceback.print_exc()
    # soft_wrap: a path or command in the message must survive copying.
    out.print(Text(f"error: {message}", style="red"), soft_wrap=True)
    if remedy:
        out.print(Text(f"remedy: {remedy}", style="red"), soft_wrap=True)


def _say_interrupted() -> None:
    sys.stderr.write(
        "\ninterrupted: finished steps and the state of a training are kept, the same command goes on from there\n"
    )


if __name__ == "__main__":
    main()
