"""Bundles, the predictor, batch scoring, outreach lists and HTTP."""
