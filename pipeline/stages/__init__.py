"""The stages of dvc.yaml: each reads, makes one call, and writes."""
