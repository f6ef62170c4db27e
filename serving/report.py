"""The report: one page for the people who look after customers, with nothing to load and nothing to run.

Everything in it is text, tables and pictures inside one HTML file. Texts of the shop (names of products, reasons) are
escaped, and pictures made elsewhere are shown as images, in which a browser runs no script.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from regulars.features.readiness import Readiness
from regulars.serving import report_parts as parts
from regulars.serving.files import whole_file
from regulars.serving.outreach import OutreachList

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Picture:
    """A plot made elsewhere.

    Attributes:
        name: what it is called in the page's addresses, such as `calibration`.
        alt: what it shows, for who cannot see it.
        svg: the SVG text.
    """

    name: str
    alt: str
    svg: str

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True)
class Pair:
    """Two products of which one is bought with or after the other, by their names.

    `share` of those who bought the first went on to the second, `lift` times what chance would do, usually after
    `typical_days`; `support` is their number.
    """

    first: str
    second: str
    share: float
    lift: float
    typical_days: float
    support: int


@dataclass(frozen=True)
class ReportInputs:
    """Everything the page tells.

    Attributes:
        shop: name of the shop, as the page's heading.
        currency: of all money.
        as_of: the moment the scores stand at, ISO text.
        horizon_days: the churn horizon.
        scores: what `score` returned, a row for every customer.
        model_version: what made the scores.
        seed: of everything random.
        outreach: the list and whom it covers; None leaves its part out.
        cheaper: what `serve_cheaper` returned; None leaves its part out.
        records: the backtest of the model, columns component, model, is_baseline, as_of, metric, value, low, high, n.
        pictures: plots of the backtest.
        decisions: a sentence for each component on which model won and why.
        sequences, accessories: pairs of products, strongest first.
        product_names: by product_id; an id without a name stands for itself.
        readiness: what was found in the data.
        trained_until: the last moment training could see, ISO text.
        simulated: whether the shop is made up; then every page says so.
        by_contract: whether leaving is cancelling a contract, and not ordering no more.
    """

    shop: str
    currency: str
    as_of: str
    horizon_days: int
    scores: pd.DataFrame
    model_version: str
    seed: int
    outreach: OutreachList | None = None
    cheaper: pd.DataFrame | None = None
    records: pd.DataFrame | None = None
    pictures: Sequence[Picture] = ()
    decisions: Sequence[str] = ()
    sequences: Sequence[Pair] = ()
    accessories: Sequence[Pair] = ()
    product_names: Mapping[str, str] = field(default_factory=dict)
    readiness: Readiness | None = None
    trained_until: str = ""
    simulated: bool = False
    by_contract: bool = False


def build_report(inputs: ReportInputs) -> str:
    """The page.

    Raises:
        ModuleNotFoundError: if Jinja2 is not installed; it comes with the extra `train`.
    """
    template = _environment(inputs.currency).get_template(TEMPLATE)
    scores, made = inputs.scores, inputs.outreach
    return template.render(
        i=inputs,
        headline=parts.headline(scores),
        statuses=parts.counts(scores, "status", parts.statuses(inputs.by_contract)),
        stages=parts.counts(scores, "stage", parts.STAGES),
        whale=parts.whale(scores, inputs.currency),
        quality=parts.quality(inputs.records),
        plays=parts.plays(made.rows) if made else (),
        totals=parts.totals(made) if made else None,
        top=parts.top_rows(made.rows, inputs.product_names) if made else (),
        stop=parts.stopping(made, inputs.currency) if made else None,
        coverage=parts.coverage(made) if made else None,
        drain=parts.drain(inputs.cheaper),
    )


def write_report(html: str, path: Path) -> None:
    """Write the page, whole or not at all."""
    with whole_file(path) as made:
        made.write_text(html, encoding="utf-8", newline="\n")


def _environment(currency: str) -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the report needs Jinja2; install it with: pip install 'regulars[train]'") from error
    made = Environment(
        loader=PackageLoader("regulars.serving", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts: dict[str, Any] = {
        "money": partial(parts.money, currency=currency),
        "count": parts.count,
        "share": parts.share,
    }
    made.filters.update(texts, number=parts.number, pence=parts.pence, words=parts.words, day=parts.day)
    return made
