"""The length study's stages, as its dvc.yaml calls them."""
