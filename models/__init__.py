"""Estimators: fitted on feature tables, they predict probabilities, dates, money and products."""
