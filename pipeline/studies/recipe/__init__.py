"""The search for a dataset's recipe, by validation loss."""
