"""The study of the intervals: how often they hold the truth, by simulation."""
