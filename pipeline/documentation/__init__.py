"""The tables of README.md and docs/, written from results that are in git."""
