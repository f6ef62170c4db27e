"""The command `regulars`: one Typer app.

Exit codes: 0 done, 1 refused by the data or the model (it says why), 2 wrong use.
"""

from __future__ import annotations

import sys

import typer

from regulars.cli import answers, data, learning
from regulars.cli.common import RefusedError, console

app = typer.Typer(
    help="Regulars: who is about to leave, what each buys next, and whom to contact.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for command, function in {
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
}.items():
    app.command(command)(function)


def main() -> None:
    """Runs the command line; what the data or the model refuses ends with exit code 1 and a sentence."""
    from regulars.datasets.writing import LoadError
    from regulars.features.findings import DataError
    from regulars.serving.sealed import BundleError

    try:
        app()
    except (DataError, LoadError, BundleError, RefusedError) as error:
        console.print("[red]refused:[/red] ", end="", markup=True)
        console.print(str(error), markup=False)
        sys.exit(1)
