"""Commands around what was sent out: serve answers over HTTP, measure tells what a list earned."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from regulars.cli.common import (
    Config,
    Model,
    RefusedError,
    Tables,
    as_moment,
    file_to_write,
    iso,
    read_tables,
    result,
    say,
    settings_from,
)

if TYPE_CHECKING:
    from rich.table import Table

    from regulars.serving.arms import Compared, Interval
    from regulars.serving.measure import Measured

WIDTH = 140
"""Characters of the table where it is not shown on a terminal."""


def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets others in; there is no password")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    config: Config = None,
) -> None:
    """Answers over HTTP: POST /predict, GET /health, GET /model."""
    settings = settings_from(config)
    if lacking := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise RefusedError(f"serving needs {' and '.join(lacking)}: pip install 'regulars[serve]'")
    import uvicorn

    from regulars.serving.http import create_app
    from regulars.serving.predictor import Predictor

    predictor = Predictor.load(model, settings)
    say(f"model {predictor.bundle.version}")
    uvicorn.run(create_app(predictor), host=host, port=port)


def measure(
    place: Tables,
    sent: Annotated[Path, typer.Option("--list", metavar="FILE", help="the list, beside its manifest")],
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="where watching ends (default: the end of the data)")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="everything as JSON")] = None,
    config: Config = None,
) -> None:
    """Tells what an outreach list earned, contacted against held out."""
    from regulars.serving.list_file import replace_file
    from regulars.serving.measure import ListError, read_sent_list
    from regulars.serving.measure import measure as run

    if out is not None:
        file_to_write(out, (".json",))
    end = None if until is None else as_moment(until, "--until")
    settings = settings_from(config)
    try:
        given = read_sent_list(sent)
        shop, _ = read_tables(place, settings)
        found = run(given, shop, settings, end)
    except ListError as error:
        raise RefusedError(str(error)) from error
    _print(found)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(out, (json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n").encode())
        say(f"written to {out}")


def _print(found: Measured) -> None:
    # In a file or a pipe a row stays a line.
    place = result if result.is_terminal else Console(highlight=False, width=WIDTH)
    place.print(_table(found))
    result.print(Text(found.verdict))
    if small := [compared.play for compared in found.plays if compared.too_few]:
        say(f"too few customers to tell of each alone, so compared together: {', '.join(small)}")
    for left, count in found.left_out.items():
        say(f"{left}: {count:,} customers left out, for nobody is ever held out of it")
    for note in found.notes:
        say(note, warn=True)


def _table(found: Measured) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    span = f"{iso(found.as_of)} to {iso(found.until)}"
    table = Table(box=SIMPLE, title=Text(f"{found.list_id}, {span}, {found.currency}: contacted against held out"))
    table.add_column("play")
    for name in ("customers", "orders each", "margin each", "a contact brought", "cost", "all contacts earned"):
        table.add_column(name, justify="right")
    for compared in found.plays:
        table.add_row(*_cells(compared))
    table.add_section()
    table.add_row(*_cells(found.total))
    return table


def _cells(found: Compared) -> list[Text]:
    cells = (
        found.play,
        f"{found.contacted:,} : {found.held_out:,}",
        _arms(found.orders, 3),
        _arms(found.margin, 2),
        _interval(found.more, 2),
        f"{found.cost:,.0f}",
        _interval(found.earned, 0),
    )
    return [Text(cell) for cell in cells]


def _arms(pair: tuple[float, float], digits: int) -> str:
    return " : ".join("-" if math.isnan(value) else f"{value:,.{digits}f}" for value in pair)


def _interval(found: Interval, digits: int) -> str:
    if math.isnan(found.value):
        return "too few"
    return f"{found.value:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"
