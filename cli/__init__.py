"""The command line, where data, models, MLflow and files meet."""
