"""Everything that can be set about a simulated shop, with units."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, fields
from typing import Any

_SIGNED = frozenset({"campaign_effect", "season_mean", "growth_per_year", "inflation_per_year"})
_POSITIVE = ("customers", "_days", "_shape", "_weight", "variants_per_kind")
_MAY_BE_ZERO = frozenset({"launch_days", "campaign_days", "campaign_every_days", "campaign_leave_weight"})


@dataclass(frozen=True)
class ShopParameters:
    """A mail-order shop for garden, tools, computing and household; the symbols are those of docs/simulator.md.

    Raises:
        ValueError: a share outside [0, 1], a negative number, or a history too short to hold one horizon.
    """

    # Size and time
    customers: int = 5_000  # people with an id, prospects included
    end: dt.date = dt.date(2025, 6, 30)  # the history ends at the midnight that begins this day
    history_days: int = 900
    horizon_days: int = 90  # of the true probabilities, and of the future simulated behind `end`
    moment_every_days: int = 90  # spacing of the moments with true probabilities, counted back from `end`

    # Arrival
    growth_per_year: float = 0.25  # of the number of sign-ups
    launch_share: float = 0.15  # of the customers sign up in the first `launch_days`
    launch_days: int = 60
    prospect_share: float = 0.20  # sign up without ordering
    conversion_days: float = 45.0  # mean time to a prospect's first order
    lost_interest_days: float = 80.0  # mean time until a prospect loses interest
    referred_share: float = 0.12  # of sign-ups after the launch come through a customer
    referred_stay: float = 0.75  # factor on the leaving hazard of the referred

    # Buying
    gap_days: float = 65.0  # mean gap between orders at the mean buying rate
    rate_shape: float = 1.0  # of the Gamma of buying rates; smaller is more unequal
    regularity: tuple[float, float, float] = (0.55, 0.30, 0.15)  # shares of customers with Erlang-1, -2, -3 gaps
    season_mean: float = 0.30  # sensitivity to the yearly season, on the log of the rate
    season_sd: float = 0.20
    weekend_factor: float = 0.65  # orders on a Saturday or Sunday against a weekday
    birthday_lift: float = 0.30  # more buying in the seven days before the birthday

    # Leaving
    contract: bool = False  # customers sign a contract when they sign up; leaving is cancelling it, and always said
    lifetime_days: float = 1_000.0  # inverse of the mean leaving hazard
    leave_shape: float = 1.0  # of the Gamma of leaving hazards; smaller is more unequal
    dropout_mean: float = 0.04  # mean probability of never coming back after an order
    dropout_weight: float = 4.0  # a + b of its Beta; smaller is more unequal
    announce_share: float = 0.10  # of those who leave between orders say so (`left_at`)

    # Support
    problem_share: float = 0.12  # of orders that lead to a ticket, at a mean customer
    problem_shape: float = 0.5  # of the Gamma of proneness; smaller is more unequal
    complaint_share: float = 0.6  # of these tickets
    badly_handled_share: float = 0.30  # at the mean agent
    support_effect: float = 1.5  # log of the leaving hazard's factor after one badly handled complaint; 0 is none
    grudge_half_life_days: float = 90.0  # of that effect
    bond: float = 0.2  # a well handled complaint counts as minus this many badly handled ones
    question_share: float = 0.08  # further tickets per order, without effect on leaving
    cost_per_minute: float = 0.75  # currency units, for the true margin only

    # Contacts
    campaign_every_days: int = 30
    campaign_days: int = 28  # how long a contact acts
    campaign_share: float = 0.6  # of those who qualify are drawn
    hold_out_share: float = 0.20  # of the drawn
    contact_cost: float = 0.80  # currency units
    campaign_effect: float = 0.25  # mean effect on the log of the buying rate
    campaign_effect_sd: float = 0.25  # what segment and regularity do not explain of it
    campaign_leave_weight: float = 1.5  # effect on the log of the leaving hazard per minus one of that on buying
    consent_share: float = 0.88  # of customers allow contact at sign-up
    consent_lifetime_days: float = 6_000.0  # mean time until consent is withdrawn

    # Baskets
    variants_per_kind: int = 5  # products of one kind (mowers, coffee beans, ...)
    new_product_share: float = 0.35  # of the assortment is introduced during the history
    discontinued_share: float = 0.25  # of the assortment is taken out during the history
    popularity_exponent: float = 0.9  # of the Zipf law of popularity within a kind
    impulse_lines: float = 1.6  # mean lines of an order beyond what was needed
    durable_share: float = 0.18  # of orders with a durable good that no sequence called for
    gadget_share: float = 0.10  # of orders with a product that has its own accessory
    accessory_same_order: float = 0.15  # of these take the accessory at once
    accessory_later: float = 0.45  # of the others come back for it
    accessory_days: float = 5.0  # mean days until they do
    promotion_take: float = 0.15  # of orders under a contact's effect contain the suggested product
    discount_share: float = 0.15  # of lines
    inflation_per_year: float = 0.03
    return_factor: float = 1.0  # factor on every product's share of returns
    guest_share: float = 0.06  # of orders come without customer

    def __post_init__(self) -> None:
        for name, value in ((item.name, getattr(self, item.name)) for item in fields(self)):
            if name in _SIGNED or not isinstance(value, (int, float)):
                continue
            if value < 0:
                raise ValueError(f"ShopParameters.{name} is {value}; expected a number that is not negative")
            if value == 0 and name not in _MAY_BE_ZERO and name.endswith(_POSITIVE):
                raise ValueError(f"ShopParameters.{name} is 0; expected a number above 0")
            if value > 1 and (name.endswith("_share") or name == "accessory_same_order"):
                raise ValueError(f"ShopParameters.{name} is {value}; expected a share between 0 and 1")
            if value >= 1 and name in {"accessory_later", "dropout_mean"}:
                raise ValueError(f"ShopParameters.{name} is {value}; expected a probability below 1")
        if self.history_days < 2 * self.horizon_days:
            raise ValueError(
                f"ShopParameters.history_days is {self.history_days}; expected at least two horizons "
                f"({2 * self.horizon_days} days), so that one true window lies inside the history"
            )
        if abs(sum(self.regularity) - 1) > 1e-9:
            raise ValueError(f"ShopParameters.regularity adds up to {sum(self.regularity)}; expected 1")

    @property
    def start(self) -> dt.date:
        """First day of the history."""
        return self.end - dt.timedelta(days=self.history_days)

    @property
    def days(self) -> int:
        """Simulated days: the history and one horizon behind it."""
        return self.history_days + self.horizon_days

    @property
    def moments(self) -> tuple[int, ...]:
        """Days, counted from `start`, at whose first instant true probabilities are stated, earliest first."""
        back = range(self.history_days, 2 * self.horizon_days - 1, -max(1, self.moment_every_days))
        return tuple(reversed(back))

    def as_dict(self) -> dict[str, Any]:
        """Every parameter by name, dates as ISO text."""
        return {
            name: value.isoformat() if isinstance(value, dt.date) else value for name, value in asdict(self).items()
        }
