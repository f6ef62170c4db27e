"""The command line: the only place that asks the clock and prints."""
