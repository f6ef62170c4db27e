"""Channel: by which ways they order."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past

channel = Family("channel", needs=("orders", "orders.channel"), scalars=True)


@channel.feature(unit="channels", empty="0")
def channels_total(past: Past) -> Values:
    """Different channels they ordered through; an order's channel is that of its first line."""
    return past.orders.distinct("channel")


@channel.feature(unit="share", empty="missing")
def top_channel_share(past: Past) -> Values:
    """Share of the orders that came through the channel they used most."""
    return ratio(past.orders.most_of("channel"), past.orders.count())
