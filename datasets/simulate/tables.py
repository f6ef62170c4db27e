"""From columns to the frames that the shop's tables hold: ids, times, words, and empty cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from regulars.datasets.simulate import service
from regulars.datasets.simulate.arrays import NEVER, Columns, Floats, Ints
from regulars.datasets.simulate.assortment import Assortment
from regulars.datasets.simulate.campaigns import CampaignPlan, play_of
from regulars.datasets.simulate.catalogue import CATEGORIES
from regulars.datasets.simulate.lines import CHANNELS
from regulars.datasets.simulate.notation import Notation, ids, product_ids, words
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.traits import SEGMENTS, Traits

OWNERS = ("M. Berg", "S. Kaya", "T. Novak")
COUNTRIES = ("DE", "AT", "CH", "NL", "FR")
_COUNTRY_SHARES = np.array([0.62, 0.14, 0.10, 0.08, 0.06])
_CONTACT_HOUR = 6 / 24  # before the first order of the day


def orders_frame(notation: Notation, lines: Columns) -> pd.DataFrame:
    """The orders table, in the order of `lines`."""
    return pd.DataFrame(
        {
            "customer_id": notation.customers(lines["customer"]),
            "order_id": notation.orders(lines["order"]),
            "ordered_at": notation.times(lines["time"]),
            "product_id": product_ids(lines["product"]),
            "quantity": lines["quantity"],
            "unit_price": lines["unit_price"],
            "unit_cost": lines["unit_cost"],
            "discount": lines["discount"],
            "channel": words(CHANNELS, lines["channel"]),
        }
    )


def support_frame(notation: Notation, events: Columns) -> pd.DataFrame:
    """The support table; topic and complaint stand on the row that opens a ticket."""
    complaint = pd.Series(events["complaint"] == 1, dtype="boolean").mask(pd.Series(events["complaint"] < 0))
    return pd.DataFrame(
        {
            "customer_id": notation.customers(events["customer"]),
            "occurred_at": notation.times(events["time"]),
            "event": words(service.EVENTS, events["event"]),
            "ticket_id": notation.tickets(events["ticket"]),
            "minutes": np.where(events["minutes"] < 0, np.nan, events["minutes"]),
            "agent": words(service.AGENTS, events["agent"]),
            "channel": words(service.WAYS, events["way"]),
            "topic": words(service.TOPICS, events["topic"]),
            "is_complaint": complaint,
            "satisfaction": np.where(events["satisfaction"] < 0, np.nan, events["satisfaction"]),
        }
    )


def contacts_frame(
    parameters: ShopParameters, notation: Notation, plan: CampaignPlan, contacts: Columns, suggested: Ints
) -> pd.DataFrame:
    """The contacts table: one row per customer drawn, held out ones included."""
    campaign, held_out = contacts["campaign"], contacts["held_out"]
    names = tuple(f"{play_of(at).name}-{at + 1:02d}" for at in range(len(plan.days)))
    plays = tuple(play_of(at).name for at in range(len(plan.days)))
    return pd.DataFrame(
        {
            "customer_id": notation.customers(contacts["customer"]),
            "contacted_at": notation.times(plan.days[campaign] + np.float64(_CONTACT_HOUR)),
            "campaign": words(names, campaign),
            "play": words(plays, campaign),
            "arm": words(("contacted", "held_out"), held_out.astype(np.int64)),
            "cost": np.where(held_out, 0.0, parameters.contact_cost),
            "product_id": product_ids(suggested[campaign]),
            "list_id": ids("L", 3, campaign),
        }
    )


def advocacy_frame(notation: Notation, referrer: Ints, signed_up: Floats, reviews: Columns) -> pd.DataFrame:
    """The advocacy table; a referral is dated when the new customer signs up."""
    new = np.flatnonzero(referrer >= 0)
    n_new, n_reviews = len(new), len(reviews["time"])
    rating = np.concatenate((np.zeros(n_new), reviews["rating"]))
    kind = np.concatenate((np.zeros(n_new, dtype=np.int64), 1 + reviews["is_case_study"]))
    time = np.concatenate((signed_up[new], reviews["time"]))
    frame = pd.DataFrame(
        {
            "customer_id": notation.customers(np.concatenate((referrer[new], reviews["customer"]))),
            "occurred_at": notation.times(time),
            "kind": words(("referral", "review", "case_study"), kind),
            "new_customer_id": notation.customers(np.concatenate((new, np.full(n_reviews, -1)))),
            "rating": np.where(rating == 0, np.nan, rating),
        }
    )
    return frame.iloc[np.argsort(time, kind="stable")].reset_index(drop=True)


def products_frame(parameters: ShopParameters, notation: Notation, assortment: Assortment) -> pd.DataFrame:
    """The products table: a row from the introduction, and one from each change of cost while it is sold."""
    n = len(assortment)
    changed = np.flatnonzero(assortment.cost_change_day < np.minimum(parameters.days, assortment.discontinued))
    product = np.concatenate((np.arange(n), changed))
    since = np.concatenate((assortment.introduced, assortment.cost_change_day[changed]))
    service_days = np.array([kind.service_days or np.nan for kind in assortment.kinds])
    frame = pd.DataFrame(
        {
            "product_id": product_ids(product),
            "valid_from": notation.times(since),
            "name": words(assortment.names, product),
            "category": words(CATEGORIES, assortment.category[product]),
            "unit_cost": assortment.unit_cost(product, since),
            "service_interval_days": service_days[assortment.kind[product]],
            "accessory_of": product_ids(assortment.accessory_of[product]),
        }
    )
    return frame.iloc[np.lexsort((since, product))].reset_index(drop=True)


def customers_frame(
    notation: Notation, traits: Traits, signed_up: Floats, club: Floats, goodbye: Ints, rng: Generator
) -> pd.DataFrame:
    """The customers table: a row from the sign-up, and one from each change: the club, consent withdrawn, a goodbye."""
    n = len(traits)
    business = traits.segment == 1
    birth_date = _birth_dates(traits, business, rng)
    country = rng.choice(len(COUNTRIES), n, p=_COUNTRY_SHARES)
    owner = np.where(business, rng.integers(0, len(OWNERS), n), -1)

    withdrawn = np.where(traits.consents & (traits.consent_until < NEVER), traits.consent_until + 0.0, np.inf)
    withdrawn = np.where(withdrawn > signed_up, withdrawn, np.inf)
    since = np.stack((signed_up, club, withdrawn, np.where(goodbye < NEVER, goodbye, np.inf)), axis=1)
    order = np.argsort(since, axis=1, kind="stable")
    customer, row = np.nonzero(np.isfinite(np.take_along_axis(since, order, axis=1)))
    place = np.argsort(order, axis=1)  # of each change among the customer's rows; what never came is behind them
    joined, refused, left = (place[customer, change] <= row for change in (1, 2, 3))
    return pd.DataFrame(
        {
            "customer_id": notation.customers(customer),
            "valid_from": notation.times(since[customer, order[customer, row]]),
            "signed_up_at": notation.times(signed_up[customer]),
            "birth_date": birth_date[customer],
            "country": words(COUNTRIES, country[customer]),
            "segment": words((*SEGMENTS, "club"), np.where(joined, len(SEGMENTS), traits.segment[customer])),
            "contact_allowed": traits.consents[customer] & ~refused & ~left,
            "account_owner": words(OWNERS, owner[customer]),
            "left_at": notation.times(np.where(left, goodbye[customer], NEVER)),
        }
    )


def _birth_dates(traits: Traits, business: NDArray[np.bool_], rng: Generator) -> NDArray[np.datetime64]:
    """Known for two thirds of the private customers; midnights."""
    n = len(traits)
    year = np.clip(np.round(rng.normal(1975, 14, n)), 1935, 2004).astype(np.int64)
    dates = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + traits.birthday
    known = (rng.random(n) < 0.66) & ~business
    return np.where(known, dates.astype("datetime64[us]"), np.datetime64("NaT", "us"))
