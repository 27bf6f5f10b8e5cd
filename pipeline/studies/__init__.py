"""Studies beside the main pipeline, each with its stages and its tracking."""
