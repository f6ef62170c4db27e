"""Labels, snapshots, backtests, tuning, tracking and promotion: everything that looks past the moment."""
