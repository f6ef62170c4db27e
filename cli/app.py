"""The command `regulars`: one Typer app.

Exit codes: 0 done, 1 refused by the data or the model (it says why), 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from rich.text import Text

from regulars.cli import answers, data, learning, serving
from regulars.cli.common import RefusedError, console

app = typer.Typer(
    help="Regulars: who is about to leave, what each buys next, and whom to contact.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain lines: quicker to start, and whole in a log
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "simulate": data.simulate,
    "load": data.load,
    "check": data.check,
    "features": data.features,
    "train": learning.train,
    "backtest": learning.backtest,
    "score": answers.score,
    "outreach": answers.outreach,
    "report": answers.report,
    "explain": answers.explain,
    "serve": serving.serve,
    "measure": serving.measure,
}
for command, function in _COMMANDS.items():
    app.command(command)(function)


def main() -> None:
    """Runs the command line; what the data or the model refuses ends with exit code 1 and a sentence."""
    try:
        app(prog_name="regulars")
    except (RefusedError, ValueError, OSError, RuntimeError) as error:
        if not _is_refusal(error):
            raise
        console.print(Text.assemble(("refused: ", "red"), _sentence(error)))
        sys.exit(1)


def _is_refusal(error: Exception) -> bool:
    """Whether the error tells what is wrong with data, model or disk; any other is our fault and is shown whole."""
    # Late, because a command that ends well needs none of them.
    from regulars.datasets.writing import LoadError
    from regulars.features.findings import DataError
    from regulars.features.own_checks import OwnFeatureError
    from regulars.features.settings import SettingsError
    from regulars.features.spark import SparkError
    from regulars.serving.sealed import BundleError
    from regulars.training.tracking import StoreError

    ours = (RefusedError, DataError, LoadError, BundleError, SparkError, StoreError, OwnFeatureError, SettingsError)
    return isinstance(error, (*ours, OSError))


def _sentence(error: Exception) -> str:
    """What the error says; one of the system names the file."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
