"""Commands that learn: train and backtest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from regulars.cli.common import (
    AsOf,
    Config,
    Engine,
    Master,
    OnEngine,
    RefusedError,
    Seed,
    Tables,
    as_moment,
    file_to_write,
    iso,
    moment_from,
    name_of,
    on_spark,
    place_to_write,
    read_tables,
    result,
    say,
    settings_from,
    tables_may_lack,
)
from regulars.cli.place import Place

if TYPE_CHECKING:
    from regulars.features.readiness import Readiness
    from regulars.features.reading import Reading
    from regulars.features.sample import Sample
    from regulars.features.settings import Settings
    from regulars.features.shop import Shop
    from regulars.training.cutoff import Incumbent
    from regulars.training.tracking import Champion, Fingerprint, Store
    from regulars.training.train import Training


SAMPLE = 200_000
"""Customers that are trained on where the tables are Spark's and no other number is given."""


def train(
    place: Tables,
    as_of: AsOf = None,
    config: Config = None,
    seed: Seed = 0,
    engine: OnEngine = Engine.LOCAL,
    master: Master = None,
    sample_customers: Annotated[
        int | None,
        typer.Option(min=1, help=f"train on a sample of so many customers (default: all; from Spark {SAMPLE:,})"),
    ] = None,
) -> None:
    """Backtests, fits, tracks in MLflow, and promotes if better; on a sample of customers if asked, or from Spark."""
    from regulars.serving.references import champion_folder

    settings = settings_from(config)
    place_to_write(champion_folder(settings), "the store")
    if on_spark(engine, master):
        from regulars.cli.spark import sampled

        with sampled(place, settings, sample_customers or SAMPLE, seed, master) as (taken, sample):
            _train(Place(taken), place, as_of, settings, seed, sample)
    elif sample_customers is not None:
        from regulars.features.sample import take_sample

        with tempfile.TemporaryDirectory(prefix="regulars-sample-") as taken:
            sample = take_sample(place.readable(), settings, sample_customers, seed, Path(taken))
            say(f"training on {sample}")
            _hint_of_few(sample)
            _train(Place(Path(taken)), place, as_of, settings, seed, sample)
    else:
        _train(place, place, as_of, settings, seed, None)


def _train(data: Place, place: Place, as_of: str | None, settings: Settings, seed: int, sample: Sample | None) -> None:
    """Trains on the tables in `data`, which are those of `place` or a sample of them."""
    from regulars.training.tracking import open_store
    from regulars.training.train import train as run

    shop, reading = read_tables(data, settings)
    until = _until(as_of, shop)
    try:
        ready = _ready(reading, settings, until)
    except RefusedError as error:
        if sample is None or sample.customers == sample.of:
            raise
        raise RefusedError(f"{error} This was asked of {sample}; a larger --sample-customers may do.") from error
    _hint_of_contracts(shop, settings, until)
    champion, incumbent = _incumbent(settings)
    with ThreadPoolExecutor(1) as aside:
        opened = aside.submit(open_store, settings)  # a new store takes seconds to set up
        training = run(
            shop,
            settings,
            until,
            dataset=name_of(place, settings),
            seed=seed,
            incumbent=incumbent,
            champion=champion.recipes if champion else None,
            progress=say,
        )
        store = opened.result()
    for decision in training.promotion.decisions:
        say(decision.reason)
    _keep(training, shop, settings, place, store, ready, seed, sample)


def _until(as_of: str | None, shop: Shop) -> int:
    """Where learning stands: not after the end of the data, or silence would be taken for leaving."""
    asked = moment_from(as_of, shop)
    if asked > shop.end:
        say(f"the data ends at {iso(shop.end)}, before {iso(asked)}; learning stands there", warn=True)
    return min(asked, shop.end)


def _ready(reading: Reading, settings: Settings, until: int) -> Readiness:
    from regulars.features.readiness import readiness

    ready = readiness(reading, settings, as_of=until)
    if not ready.trainable:
        raise RefusedError(f"nothing can be trained as of {iso(until)}: {ready.why_not}")
    return ready


def _hint_of_few(sample: Sample) -> None:
    """That a sample is smaller than it need be, though what is learnt from it may replace what all customers taught."""
    from regulars.features.readiness import LEAST_CUSTOMERS

    if sample.customers < min(LEAST_CUSTOMERS, sample.of):
        sentence = (
            f"a sample of fewer than {LEAST_CUSTOMERS} customers tells little, and what it promotes is the champion"
        )
        say(
            f"{sentence}; take more with --sample-customers, or leave it out where the shop fits into memory", warn=True
        )


def _hint_of_contracts(shop: Shop, settings: Settings, until: int) -> None:
    """Where many customers left in so many words and churn is silence: that it could be cancelling."""
    from regulars.features.readiness import contracts_item

    found = contracts_item(shop, settings, until)
    if found is not None and found.mark != "ok":
        say(f"{found.sentence} {found.advice}", warn=True)


def _incumbent(settings: Settings) -> tuple[Champion | None, Incumbent | None]:
    """The champion, and its fitted models where its bundle can still be read."""
    from regulars.serving.bundle import load_bundle
    from regulars.serving.sealed import BundleError
    from regulars.training.cutoff import Incumbent
    from regulars.training.tracking import champion, download

    found = champion(settings)
    if found is None:
        return None, None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            bundle = load_bundle(download(settings, found, Path(scratch)), settings)
        except BundleError as error:
            say(f"the champion's bundle cannot be read and is compared by its recipe only: {error}")
            return found, None
    before, now = bundle.settings.churn, settings.churn
    if (before.by, before.horizon_days) != (now.by, now.horizon_days):
        said = [f"by = '{churn.by}' and horizon_days = {churn.horizon_days}" for churn in (now, before)]
        say(
            f"[churn] is {said[0]}, where the champion has {said[1]}; a promoted model answers the new question",
            warn=True,
        )
    return found, Incumbent(bundle.models, bundle.features, bundle.trained_as_of)


def _keep(
    training: Training,
    shop: Shop,
    settings: Settings,
    place: Place,
    store: Store,
    ready: Readiness,
    seed: int,
    sample: Sample | None,
) -> None:
    """Makes the bundle, tracks the run, registers the model, and promotes it where it earned that."""
    from regulars.serving import mlflow_model
    from regulars.serving.bundle import make_bundle, save_bundle
    from regulars.serving.references import champion_folder
    from regulars.training.tracking import train_run

    print_ = _fingerprint(shop, place, training)
    say("scoring everybody once, for the percentiles")
    pictures = _pictures(training, settings)
    bundle = make_bundle(
        shop,
        training.models,
        training.context,
        settings,
        training.until,
        features=training.features,
        fingerprint=print_.digest,
        metrics=_told(training, pictures),
    )
    say("tracking the run in MLflow")
    with train_run(store, f"train {iso(training.until)}", {"as_of": iso(training.until)}) as run:
        _track(run, training, settings, print_, pictures, ready, seed)
        if sample is not None:
            run.params({"sample_customers": sample.customers, "sample_of": sample.of, "sample_share": sample.share})
        with tempfile.TemporaryDirectory() as scratch:
            saved = Path(scratch, "bundle")
            save_bundle(saved, bundle)
            with tables_may_lack():  # MLflow asks the model about its example, which is order lines alone
                version = run.log_bundle(
                    saved,
                    loader_module=mlflow_model.__name__,
                    signature=mlflow_model.signature(),
                    input_example=mlflow_model.input_example(),
                    pip_requirements=mlflow_model.pip_requirements(),
                    registered_name=settings.model_name,
                    recipes=training.recipes,
                    trained_until=iso(training.until),
                )
            promotion = training.promotion
            if promotion.promote:
                run.promote(settings.model_name, version, promotion.why)
                exported = champion_folder(settings)
                _export(saved, exported)
                say(f"the champion is also in the folder {exported}")
            else:
                run.keep(settings.model_name, version, promotion.why)
    result.print(Text(f"{settings.model_name} version {version}: {promotion.why}"))


def _export(bundle: Path, folder: Path) -> None:
    """Copies a bundle to where places without MLflow find it, whole or not at all."""
    from regulars.serving.files import whole_folder

    with whole_folder(folder) as made:
        shutil.copytree(bundle, made, dirs_exist_ok=True)


def _fingerprint(shop: Shop, place: Place, training: Training) -> Fingerprint:
    from regulars.features.fingerprint import fingerprint
    from regulars.training.tracking import Fingerprint

    sizes = {"customers": len(shop.customer_ids), "order_lines": len(shop.orders), "snapshots": training.rows}
    return Fingerprint(place.name, fingerprint(shop), place.origin, sizes)


def _told(training: Training, pictures: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle tells of how the models did, for the report."""
    import json

    from regulars.cli.pictures import WORDS
    from regulars.training.plots_style import to_svg
    from regulars.training.records import to_json

    return {
        "records": json.loads(to_json(training.records)),
        "decisions": [decision.reason for decision in training.promotion.decisions],
        "recipes": dict(training.recipes),
        "pictures": [{"name": name, "alt": WORDS[name], "svg": to_svg(figure)} for name, figure in pictures.items()],
    }


def _pictures(training: Training, settings: Settings) -> Mapping[str, Any]:
    from regulars.cli.pictures import draw

    return draw(training, settings)


def _track(
    run: Any,
    training: Training,
    settings: Settings,
    data: Fingerprint,
    pictures: Mapping[str, Any],
    ready: Readiness,
    seed: int,
) -> None:
    from regulars.training.plots_style import to_png

    run.data(data)
    run.metrics({"snapshot_rows": training.rows, "features": len(training.features)})
    horizons = {"horizon_days": settings.churn.horizon_days, "judged_horizon_days": training.horizon_days}
    run.params({"seed": seed, **horizons, "cutoffs": len(training.predictions)})
    # Where runs are tracked may hold a password, and where files of features lie tells of the machine.
    told = settings.model_dump_json(indent=1, exclude={"mlflow": True, "features": {"own"}})
    run.texts({"readiness.txt": ready.text(), "settings.json": told})
    run.records(training.records)
    run.pictures({f"{name}.png": to_png(figure) for name, figure in pictures.items()})
    seen = {(record.component, record.model): record.is_baseline for record in training.records}
    for (component, model), is_baseline in seen.items():
        params: dict[str, Any] = {"horizon_days": training.horizon_days, "seed": seed}
        won = training.recipes.get(component, "").startswith(f"{model} ")
        if won:
            params |= {"recipe": training.recipes[component]}
        run.model(component, model, params=params, records=training.records, is_baseline=is_baseline)


def backtest(
    place: Tables,
    json: Annotated[Path, typer.Option(metavar="FILE", help="where the records go")],
    cutoff: Annotated[
        list[str] | None, typer.Option(metavar="DATE", help="moments to judge at; may be given again")
    ] = None,
    as_of: AsOf = None,
    config: Config = None,
    seed: Seed = 0,
) -> None:
    """Judges every model against its baselines, over cutoffs."""
    from regulars.features.horizons import judged_settings, shorter_windows
    from regulars.features.logs import Logs
    from regulars.training.backtest import backtest as run
    from regulars.training.backtest import cutoffs_of
    from regulars.training.records import write_records

    file_to_write(json, (".json",), "--json")
    asked = sorted({as_moment(one, "--cutoff") for one in cutoff or []})
    settings = settings_from(config)
    shop, reading = read_tables(place, settings)
    until = _until(as_of, shop)
    _ready(reading, settings, until)
    judged = judged_settings(shop.first, until, settings)
    if told := shorter_windows(settings, judged):
        say(told)
    _judgeable(asked, shop, until, judged)
    logs = Logs(shop, settings)
    moments = asked or cutoffs_of(logs, until, judged)
    found = run(logs, moments, until, judged, dataset=name_of(place, settings), seed=seed, progress=say)
    write_records(found.records, json)
    _print(found.records)
    say(f"{len(found.records):,} records written to {json}")


def _judgeable(cutoffs: list[int], shop: Shop, until: int, settings: Settings) -> None:
    """Refuses cutoffs before which there is nothing to learn from, or whose window is not over."""
    from regulars.features.shop import days

    horizon, step = settings.churn.horizon_days, settings.train.snapshot_every_days
    for cutoff in cutoffs:
        if cutoff + days(horizon) > until:
            raise RefusedError(
                f"the window of {horizon} days after {iso(cutoff)} is not over at {iso(until)}, where the data ends "
                "or --as-of stands; judge an earlier cutoff"
            )
        if cutoff < shop.first + days(horizon + step):
            raise RefusedError(
                f"there are not {horizon + step} days of orders before {iso(cutoff)}, which learning needs, for the "
                f"first is of {iso(shop.first)}; judge a later cutoff"
            )


def _print(records: list[Any]) -> None:
    """The one metric of each component, every model, mean over the cutoffs."""
    from rich.table import Table

    from regulars.training.records import ALL_COMPONENTS, CHOSEN_BY, mean_of, ranked

    table = Table("component", "model", "metric", "mean over cutoffs")
    for component in ALL_COMPONENTS:
        for model in ranked(records, component):
            metric = CHOSEN_BY[component]
            table.add_row(component, model, metric, f"{mean_of(records, component, model, metric):.4f}")
    result.print(table)
