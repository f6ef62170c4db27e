"""Commands that answer: score, outreach, report, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from regulars.cli.common import (
    TABLE_FILES,
    AsOf,
    Config,
    Engine,
    Master,
    Model,
    OnEngine,
    RefusedError,
    Seed,
    Tables,
    as_moment,
    as_output,
    console,
    file_to_write,
    folder_of_parts,
    is_folder,
    iso,
    moment_from,
    nobody_before,
    on_spark,
    read_tables,
    result,
    say,
    settings_from,
    tables_may_lack,
)
from regulars.cli.place import Place

if TYPE_CHECKING:
    import pandas as pd

    from regulars.features.settings import Settings
    from regulars.features.shop import Shop
    from regulars.serving.outreach import OutreachList
    from regulars.serving.predictor import Predictor

STALE = 30 * 86_400_000_000
"""Microseconds after the data's end from which scores are told to be stale; Klaviyo asks for an order in 30 days."""

Scores = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="scores of an earlier `score`, or the folder of them; else made anew"),
]
Budget = Annotated[
    float | None, typer.Option(min=0, max=1e12, help="currency units for this list (default: the settings')")
]


def score(
    place: Tables,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            parser=as_output,
            help=".parquet or .csv; any other name: a folder of Parquet parts; on Spark also spark:DATABASE.TABLE",
        ),
    ],
    as_of: AsOf = None,
    top: Annotated[int | None, typer.Option(min=1, max=100, help="products for each customer")] = None,
    model: Model = None,
    config: Config = None,
    engine: OnEngine = Engine.LOCAL,
    master: Master = None,
) -> None:
    """Scores every customer."""
    from regulars.serving.score_file import write_scores

    if on_spark(engine, master):
        _score_on_spark(place, out, as_of, top, model, settings_from(config), master)
        return
    settings = settings_from(config)
    if is_folder(out):
        folder_of_parts(out)
        _score_in_parts(place, out, as_of, top, model, settings)
        return
    file_to_write(out, TABLE_FILES)
    shop, _ = read_tables(place, settings)
    predictor = _predictor(model, settings)
    frame = _scored(predictor, shop, moment_from(as_of, shop), top)
    write_scores(frame, out, predictor.bundle.settings.churn)
    counts = ", ".join(f"{count:,} {status}" for status, count in frame["status"].value_counts().items())
    result.print(Text(f"{len(frame):,} customers in {out}: {counts}"))


def _score_in_parts(
    place: Place, out: Path, as_of: str | None, top: int | None, model: str | None, settings: Settings
) -> None:
    """A batch of customers at a time; a run that was stopped goes on where it ended."""
    from regulars.cli.progress import progress
    from regulars.features.in_parts import Job, NobodyError
    from regulars.serving.score_parts import write_score_parts

    predictor, beside = _predictor(model, settings), place.set_aside

    def opened(moment: int, end: int, lacking: list[str]) -> None:
        _tell_what_is_odd(predictor, end, lacking, moment)

    moment = None if as_of is None else as_moment(as_of)
    with progress("scores", "customers") as told:
        job = Job(place.readable(), settings, beside, told)
        try:
            found = write_score_parts(job, predictor, moment, out, top=top, opened=opened)
        except NobodyError as error:
            raise RefusedError(str(error)) from error
    for finding in found.set_aside:
        say(f"set aside: {finding} See {beside}.", warn=True)
    counts = ", ".join(f"{count:,} {status}" for status, count in found.counts.items())
    result.print(Text(f"{sum(found.counts.values()):,} customers in {out}: {counts}"))


def _score_on_spark(
    place: Place,
    out: Path,
    as_of: str | None,
    top: int | None,
    model: str | None,
    settings: Settings,
    master: str | None,
) -> None:
    from regulars.cli.spark import opened, place_free, write_scores
    from regulars.features.batch import empty_shop

    place_free(out)
    predictor = _predictor(model, settings)
    with opened(place, settings, master) as found:
        moment = found.end if as_of is None else as_moment(as_of)
        _tell_what_is_odd(predictor, found.end, predictor.lacking(empty_shop(found.given)), moment)
        counts = write_scores(found, predictor.bundle, settings, moment, top, out)
        if not counts:
            raise nobody_before(moment, found)
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    result.print(Text(f"{sum(counts.values()):,} customers in {out}: {told}"))


def _predictor(model: str | None, settings: Settings) -> Predictor:
    from regulars.serving.predictor import Predictor

    predictor = Predictor.load(model, settings)
    say(f"model {predictor.bundle.version}")
    kept = predictor.bundle.settings
    for name in ("churn", "next_product", "features", "money"):
        if getattr(settings, name) != getattr(kept, name):
            say(f"[{name}] of the settings is not what the model was trained with; the model's holds", warn=True)
    return predictor


def _as_trained(settings: Settings, predictor: Predictor) -> Settings:
    """The settings with what churn is to the model."""
    return settings.model_copy(update={"churn": predictor.bundle.settings.churn})


def _as_scored(settings: Settings, scores: Path) -> Settings:
    """The settings with what churn is in the scores, where their file tells."""
    from regulars.serving.score_file import churn_of

    churn = churn_of(scores)
    if churn is None or churn == settings.churn:
        return settings
    say("[churn] of the settings is not what the scores were made with; the scores' holds", warn=True)
    return settings.model_copy(update={"churn": churn})


def _scored(predictor: Predictor, shop: Shop, moment: int, top: int | None = None) -> pd.DataFrame:
    _tell_what_is_odd(predictor, shop.end, predictor.lacking(shop), moment)
    with console.status("scoring") as status, tables_may_lack():
        frame = predictor.score(
            shop, moment, top=top, progress=lambda done, of: status.update(f"scoring {done:,}/{of:,}")
        )
    if not len(frame):
        raise nobody_before(moment, shop)
    return frame


def _tell_what_is_odd(predictor: Predictor, end: int, lacking: list[str], moment: int) -> None:
    """Warns where the scores are not what they seem; the data ends at `end`, and the models lack something of it."""
    trained = predictor.bundle.trained_as_of
    if moment < trained:
        sentence = f"the model was trained as of {iso(trained)}, after {iso(moment)}: it has seen what these scores"
        say(f"{sentence} pretend not to know", warn=True)
    if moment > end + STALE:
        say(f"the data ends at {iso(end)}: whatever happened until {iso(moment)} is not known", warn=True)
    if lacking:
        sentence = f"the models were fitted with {', '.join(lacking)}, which is not here"
        say(f"{sentence}; it is taken as nothing having happened there", warn=True)


def _read_scores(file: Path, as_of: str | None) -> tuple[pd.DataFrame, int]:
    """Scores from a file, and the one moment they stand at."""
    from regulars.features.shop import as_time
    from regulars.serving.score_file import read_scores

    if not file.exists():
        raise typer.BadParameter(f"{file} is no file or folder", param_hint="--scores")
    try:
        frame = read_scores(file)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    moments = frame["as_of"].unique()
    if len(moments) != 1:
        raise RefusedError(f"{file} holds {len(moments)} moments; a list is made for one")
    moment = as_time(moments[0])
    if as_of is not None and moment != as_moment(as_of):
        raise typer.BadParameter(f"{file} stands at {iso(moment)}, not at {as_of}", param_hint="--as-of")
    return frame, moment


def outreach(
    place: Tables,
    out: Annotated[Path, typer.Option(metavar="FILE", help=".csv or .parquet; a manifest is written beside it")],
    as_of: AsOf = None,
    budget: Budget = None,
    scores: Scores = None,
    model: Model = None,
    config: Config = None,
    seed: Seed = 0,
) -> None:
    """Chooses whom to contact, with what, and whom to leave alone."""
    file_to_write(out, TABLE_FILES)
    settings = settings_from(config)
    read = _read_scores(scores, as_of) if scores is not None else None
    if scores is not None:
        settings = _as_scored(settings, scores)
    shop, _ = read_tables(place, settings)
    if read is None:
        predictor, moment = _predictor(model, settings), moment_from(as_of, shop)
        settings = _as_trained(settings, predictor)
        read = _scored(predictor, shop, moment), moment
    found = _listed(*read, shop, settings, budget, seed)
    found.write(out)
    contacted = found.rows[found.rows["arm"] == "contact"]
    result.print(
        Text(
            f"{len(contacted):,} to contact and {len(found.rows) - len(contacted):,} held out in {out}: cost "
            f"{contacted['cost'].sum():,.0f} {settings.shop.currency}, expected profit "
            f"{contacted['expected_profit'].sum():,.0f} {settings.shop.currency}"
        )
    )
    for play, count in contacted["play"].value_counts().items():
        say(f"{count:,} {play}")


def _listed(
    frame: pd.DataFrame, moment: int, shop: Shop, settings: Settings, budget: float | None, seed: int
) -> OutreachList:
    from regulars.serving.outreach import make_list

    known = set(shop.customer_ids)
    if strangers := [name for name in frame["customer_id"] if name not in known]:
        raise RefusedError(
            f"{len(strangers):,} customers of the scores are not in the tables, such as {strangers[0]!r}; give the "
            "scores of these tables"
        )
    version = str(frame["model_version"].iloc[0])
    return make_list(frame, shop, moment, settings, budget=budget, seed=seed, model_version=version)


def report(
    place: Tables,
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

    file_to_write(out, (".html",))
    settings = settings_from(config)
    read = _read_scores(scores, as_of) if scores is not None else None
    shop, reading = read_tables(place, settings)
    predictor = _predictor(model, settings)
    settings = _as_trained(settings, predictor)
    if read is None:
        moment = moment_from(as_of, shop)
        read = _scored(predictor, shop, moment), moment
    frame, moment = read
    found = _listed(frame, moment, shop, settings, budget, seed)
    inputs = report_inputs(place, shop, reading, settings, predictor.bundle, frame, moment, found, seed)
    write_report(build_report(inputs), out)
    result.print(Text(f"report written to {out}"))


def explain(
    place: Tables,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="customer_id")],
    as_of: AsOf = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Tells one customer in words and numbers."""
    from regulars.serving.explain import explain as tell
    from regulars.serving.scoring import UnknownCustomerError

    settings = settings_from(config)
    shop, _ = read_tables(place, settings)
    predictor, moment = _predictor(model, settings), moment_from(as_of, shop)
    _tell_what_is_odd(predictor, shop.end, predictor.lacking(shop), moment)
    try:
        with tables_may_lack():
            found = tell(predictor, shop, customer, moment)
    except UnknownCustomerError as error:
        raise RefusedError(str(error)) from error
    result.print(Text(found.text))
