"""Helpers of the tests: data to test with, independent references, a project to run."""
