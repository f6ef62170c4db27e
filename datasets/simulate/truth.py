"""The truth frames: what the model knows and the shop's tables do not show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regulars.datasets.simulate.arrays import Columns, Floats, Ints
from regulars.datasets.simulate.assortment import Assortment
from regulars.datasets.simulate.baskets import Baskets
from regulars.datasets.simulate.calendar import Calendar
from regulars.datasets.simulate.catalogue import Sort
from regulars.datasets.simulate.lines import line_margin
from regulars.datasets.simulate.notation import Notation, product_ids, words
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.process import History
from regulars.datasets.simulate.traits import SEGMENTS, Traits


def customers_truth(
    parameters: ShopParameters,
    notation: Notation,
    traits: Traits,
    history: History,
    referrer: Ints,
    lines: Columns,
    support: Columns,
) -> pd.DataFrame:
    """One row per customer: latent traits, and what they brought and cost within the history (currency units)."""
    n, end = len(traits), parameters.history_days
    mine = (lines["customer"] >= 0) & (lines["time"] < end)
    margin = np.bincount(lines["customer"][mine], line_margin(lines)[mine], n)
    worked = (support["minutes"] > 0) & (support["time"] < end)
    minutes = np.bincount(support["customer"][worked], support["minutes"][worked], n)
    placed = history.orders["time"] < end
    return pd.DataFrame(
        {
            "customer_id": notation.customers(np.arange(n)),
            "left_at": notation.times(history.left_day),
            "announced": history.announced,
            "segment_at_sign_up": words(SEGMENTS, traits.segment),
            "signed_up_without_order": traits.prospect,
            "buying_rate_per_day": traits.rate,
            "gap_shape": traits.shape,
            "season_sensitivity": traits.season_sensitivity,
            "leave_hazard_per_day": traits.leave_hazard,
            "dropout_after_order": traits.dropout,
            "campaign_effect": traits.campaign_effect,
            "problem_proneness": traits.problem_proneness,
            "return_proneness": traits.return_proneness,
            "advocacy": traits.advocacy,
            "referred_by": notation.customers(referrer),
            "orders": np.bincount(history.orders["customer"][placed], minlength=n),
            "margin": np.round(margin, 2),
            "service_minutes": np.round(minutes, 1),
            "profit": np.round(margin - parameters.cost_per_minute * minutes, 2),
        }
    )


def churn_truth(parameters: ShopParameters, notation: Notation, history: History, lines: Columns) -> pd.DataFrame:
    """One row per customer and moment: true state and probabilities, and what came in the horizon after it."""
    outlooks, horizon = history.outlooks, parameters.horizon_days
    n = len(history.left_day)
    key = outlooks["customer"], outlooks["day"]
    orders = _within(history.orders["customer"], history.orders["time"], None, key, n, horizon)
    mine = lines["customer"] >= 0
    margin = _within(lines["customer"][mine], lines["time"][mine], line_margin(lines)[mine], key, n, horizon)
    frame = pd.DataFrame(
        {
            "customer_id": notation.customers(outlooks["customer"]),
            "as_of": notation.times(outlooks["day"]),
            "no_order": orders == 0,
            "orders_within": orders.astype(np.int64),
            "margin_within": np.round(margin, 2),
        }
    )
    if parameters.contract:
        left = history.left_day[outlooks["customer"]]
        frame["cancelled"] = (left >= outlooks["day"]) & (left < outlooks["day"] + horizon)
    named = ("customer", "day")
    return pd.concat([frame, pd.DataFrame({k: v for k, v in outlooks.items() if k not in named})], axis=1)


def _within(
    customer: Ints, time: Floats, weight: Floats | None, key: tuple[Ints, Ints], n: int, horizon: int
) -> Floats:
    """Weights (or numbers) of each customer's events in [day, day + horizon), for (customer, day) pairs."""
    total = np.zeros(len(key[0]))
    for day in np.unique(key[1]):
        inside = (time >= day) & (time < day + horizon)
        asked = key[1] == day
        sums = np.bincount(customer[inside], None if weight is None else weight[inside], n)
        total[asked] = sums[key[0][asked]]
    return total


def tickets_truth(notation: Notation, history: History, tickets: Columns, lines: Columns) -> pd.DataFrame:
    """One row per ticket: whether it was badly handled, and after which order it came."""
    number = np.full(len(history.orders["time"]), -1)
    known = lines["process_order"] >= 0
    number[lines["process_order"][known]] = lines["order"][known]
    return pd.DataFrame(
        {
            "ticket_id": notation.tickets(np.arange(len(tickets["opened"]))),
            "customer_id": notation.customers(tickets["customer"]),
            "order_id": notation.orders(number[tickets["order"]]),
            "opened_at": notation.times(tickets["opened"]),
            "closed_at": notation.times(tickets["closed"]),
            "badly_handled": tickets["bad"],
            "is_complaint": tickets["complaint"],
        }
    )


def assortment_truth(parameters: ShopParameters, notation: Notation, assortment: Assortment) -> dict[str, pd.DataFrame]:
    """`products`, `sequences` (kinds of product that lead to others) and `accessories` (products and theirs)."""
    noun = tuple(kind.noun for kind in assortment.kinds)
    product = np.arange(len(assortment))
    gadget = np.flatnonzero(assortment.accessory >= 0)
    rules = assortment.rules
    return {
        "products": pd.DataFrame(
            {
                "product_id": product_ids(product),
                "kind": words(noun, assortment.kind),
                "sort": pd.Series([assortment.kinds[kind].sort.value for kind in assortment.kind], dtype="str"),
                "introduced_at": notation.times(assortment.introduced),
                "discontinued_at": notation.times(assortment.discontinued),
                "popularity": assortment.popularity,
                "return_share": np.array([kind.returned for kind in assortment.kinds])[assortment.kind],
            }
        ),
        "sequences": pd.DataFrame(
            {
                "first_kind": [rule.first for rule in rules],
                "then_kind": [rule.then for rule in rules],
                "is_service": [assortment.kinds[at].sort is Sort.SERVICE for at in assortment.rule_then],
                "probability": [rule.probability for rule in rules],
                "mean_delay_days": [rule.mean_days for rule in rules],
                "delay_shape": [rule.shape for rule in rules],
            }
        ),
        "accessories": pd.DataFrame(
            {
                "product_id": product_ids(gadget),
                "accessory_id": product_ids(assortment.accessory[gadget]),
                "probability_same_order": parameters.accessory_same_order,
                "probability_later": (1 - parameters.accessory_same_order) * parameters.accessory_later,
                "mean_delay_days": parameters.accessory_days,
            }
        ),
    }


def baskets_truth(notation: Notation, assortment: Assortment, baskets: Baskets) -> dict[str, pd.DataFrame]:
    """`favourites` as they were at sign-up, and `wishes`: when sequences made a customer want a kind of product."""
    favourites, wishes = baskets.favourites, baskets.wishes
    noun = tuple(kind.noun for kind in assortment.kinds)
    by_time = np.argsort(wishes["since"], kind="stable")
    rule = wishes["rule"][by_time]
    return {
        "favourites": pd.DataFrame(
            {
                "customer_id": notation.customers(favourites["customer"]),
                "product_id": product_ids(favourites["product"]),
                "interval_days": favourites["interval"],
            }
        ),
        "wishes": pd.DataFrame(
            {
                "customer_id": notation.customers(wishes["customer"][by_time]),
                "first_kind": words(noun, assortment.rule_first[rule]),
                "then_kind": words(noun, assortment.rule_then[rule]),
                "bought_at": notation.times(wishes["since"][by_time]),
                "wanted_from": notation.times(wishes["wanted_from"][by_time]),
            }
        ),
    }


def seasons_truth(notation: Notation, calendar: Calendar) -> pd.DataFrame:
    """The curves of every simulated day."""
    return pd.DataFrame(
        {
            "date": notation.times(np.arange(len(calendar.weekly))),
            "weekly": calendar.weekly,
            "yearly": calendar.yearly,
            "garden": calendar.garden,
        }
    )
