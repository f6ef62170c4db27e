"""The command `regulars`: one Typer app."""

from __future__ import annotations

import typer

app = typer.Typer(help="Regulars: who is about to leave, what each buys next, and whom to contact.")


@app.callback()
def root() -> None:
    """Regulars: who is about to leave, what each buys next, and whom to contact."""


def main() -> None:
    """Run the command line."""
    app()
