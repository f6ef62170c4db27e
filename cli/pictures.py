"""The plots of a training, drawn once for MLflow and for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from regulars.features.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from regulars.training.train import Training

WORDS: Mapping[str, str] = {
    "calibration": "Predicted churn against what came, in groups of customers",
    "gains": "Share of the customers who left that is found by contacting those at the highest risk first",
    "profit_curve": "Profit of contacting the customers at the highest risk, by how many are contacted",
    "feature_importance": "What the model of churn looks at most",
    "next_product_hits": "How often one of ten suggested products is bought, repeats and first purchases apart",
    "log_loss_by_cutoff": "Log loss of churn at each cutoff, by model",
    "ndcg_by_cutoff": "Quality of the product lists at each cutoff, by model",
}
"""What each plot shows, for who cannot see it."""


def draw(training: Training, settings: Settings) -> dict[str, Figure]:
    """The plots this training has data for, by name."""
    from regulars.training import plots
    from regulars.training.records import CANCELLATION, ranked

    records, predictions = training.records, training.predictions
    churn = CANCELLATION if settings.churn.is_contract else "order_times"
    used = training.recipes[churn].split(" ")[0]
    rivals = [name for name in ranked(records, churn) if name != used]
    best = rivals[0] if rivals else None
    models = [used, *rivals[:1]]
    margin = float(np.mean([one.margin[~one.churned].mean() if (~one.churned).any() else 0.0 for one in predictions]))
    left = plots.NO_ORDER
    if settings.churn.is_contract:
        left, margin = plots.CANCELLED, float(np.mean([one.margin.mean() for one in predictions]))
        predictions = [
            replace(one, churned=one.cancelled, churn_probability=one.cancel_probability) for one in predictions
        ]
    assumed = plots.ContactValue(margin, settings.outreach.cost_per_contact, currency=settings.shop.currency)
    figures = {
        "calibration": plots.calibration(predictions, used, training.horizon_days, best, left),
        "gains": plots.gains(predictions, models, training.horizon_days, left),
        "profit_curve": plots.profit_curve(predictions, models, assumed),
        "log_loss_by_cutoff": plots.metric_by_cutoff(records, churn),
    }
    if training.importance:
        figures["feature_importance"] = plots.feature_importance(training.importance)
    if any(record.component == "next_product" for record in records):
        figures["next_product_hits"] = plots.next_product_hits(records)
        figures["ndcg_by_cutoff"] = plots.metric_by_cutoff(records, "next_product")
    return figures
