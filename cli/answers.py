"""Commands that answer: score, outreach, report, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regulars.cli.common import (
    AsOf,
    Config,
    Folder,
    Model,
    RefusedError,
    Seed,
    console,
    iso,
    moment_from,
    read_tables,
    result,
    say,
    settings_from,
)
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time

if TYPE_CHECKING:
    import pandas as pd

    from regulars.serving.outreach import OutreachList
    from regulars.serving.predictor import Predictor

Scores = Annotated[Path | None, typer.Option(metavar="FILE", help="scores of an earlier `score`; else made anew")]
Budget = Annotated[float | None, typer.Option(min=0, help="currency units for this list (default: the settings')")]


def score(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help=".parquet or .csv")],
    as_of: AsOf = None,
    top: Annotated[int | None, typer.Option(min=1, max=100, help="products for each customer")] = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Scores every customer."""
    from regulars.serving.score_file import write_scores

    if out.suffix not in {".csv", ".parquet"}:
        raise typer.BadParameter(f"{out}: scores are written as .csv or .parquet", param_hint="--out")
    settings = settings_from(config)
    shop, _ = read_tables(folder, settings)
    frame = _scored(_predictor(model, settings), shop, moment_from(as_of, shop), top)
    write_scores(frame, out)
    counts = ", ".join(f"{count:,} {status}" for status, count in frame["status"].value_counts().items())
    result.print(f"{len(frame):,} customers in {out}: {counts}", markup=False)


def _predictor(model: str | None, settings: Settings) -> Predictor:
    from regulars.serving.predictor import Predictor

    predictor = Predictor.load(model, settings)
    say(f"model {predictor.bundle.version}")
    return predictor


def _scored(predictor: Predictor, shop: Shop, moment: int, top: int | None = None) -> pd.DataFrame:
    if moment < predictor.bundle.trained_as_of:
        say(
            f"[yellow]the model was trained as of {iso(predictor.bundle.trained_as_of)}, after {iso(moment)}: it has "
            "seen what these scores pretend not to know[/yellow]"
        )
    with console.status("scoring") as status:
        return predictor.score(
            shop, moment, top=top, progress=lambda done, of: status.update(f"scoring {done:,}/{of:,}")
        )


def _scores_of(scores: Path | None, as_of: str | None, shop: Shop, predictor: Predictor) -> tuple[pd.DataFrame, int]:
    """Scores from a file, or made anew, and the moment they stand at."""
    from regulars.serving.score_file import read_scores

    if scores is None:
        moment = moment_from(as_of, shop)
        return _scored(predictor, shop, moment), moment
    frame = read_scores(scores)
    moments = frame["as_of"].unique()
    if len(moments) != 1:
        raise RefusedError(f"{scores} holds {len(moments)} moments; a list is made for one")
    moment = as_time(moments[0])
    if as_of is not None and moment != moment_from(as_of, shop):
        raise typer.BadParameter(f"{scores} stands at {iso(moment)}, not at {as_of}", param_hint="--as-of")
    return frame, moment


def outreach(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help=".csv or .parquet; a manifest is written beside it")],
    as_of: AsOf = None,
    budget: Budget = None,
    scores: Scores = None,
    model: Model = None,
    config: Config = None,
    seed: Seed = 0,
) -> None:
    """Chooses whom to contact, with what, and whom to leave alone."""
    settings = settings_from(config)
    shop, _ = read_tables(folder, settings)
    predictor = _predictor(model, settings)
    frame, moment = _scores_of(scores, as_of, shop, predictor)
    found = _listed(frame, shop, moment, settings, budget, seed)
    found.write(out)
    contacted = found.rows[found.rows["arm"] == "contact"]
    result.print(
        f"{len(contacted):,} to contact and {len(found.rows) - len(contacted):,} held out in {out}: cost "
        f"{contacted['cost'].sum():,.0f} {settings.shop.currency}, expected profit "
        f"{contacted['expected_profit'].sum():,.0f} {settings.shop.currency}",
        markup=False,
    )
    for play, count in contacted["play"].value_counts().items():
        say(f"{count:,} {play}")


def _listed(
    frame: pd.DataFrame, shop: Shop, moment: int, settings: Settings, budget: float | None, seed: int
) -> OutreachList:
    from regulars.serving.outreach import make_list

    version = str(frame["model_version"].iloc[0]) if len(frame) else ""
    return make_list(frame, shop, moment, settings, budget=budget, seed=seed, model_version=version)


def report(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="the page")],
    as_of: AsOf = None,
    budget: Budget = None,
    scores: Scores = None,
    model: Model = None,
    config: Config = None,
    seed: Seed = 0,
) -> None:
    """Writes one self-contained page with plots; budget and seed as given to `outreach` show the same list."""
    from regulars.cli.report_inputs import report_inputs
    from regulars.serving.report import build_report, write_report

    settings = settings_from(config)
    shop, reading = read_tables(folder, settings)
    predictor = _predictor(model, settings)
    frame, moment = _scores_of(scores, as_of, shop, predictor)
    found = _listed(frame, shop, moment, settings, budget, seed)
    inputs = report_inputs(folder, shop, reading, settings, predictor.bundle, frame, moment, found, seed)
    write_report(build_report(inputs), out)
    result.print(f"report written to {out}", markup=False)


def explain(
    folder: Folder,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="customer_id")],
    as_of: AsOf = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Tells one customer in words and numbers."""
    from regulars.serving.explain import explain as tell

    settings = settings_from(config)
    shop, _ = read_tables(folder, settings)
    try:
        found = tell(_predictor(model, settings), shop, customer, moment_from(as_of, shop))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    result.print(found.text, markup=False)
