"""The shop simulator, and loaders for public data."""
