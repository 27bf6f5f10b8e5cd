"""How a network is trained, and how a trained one is asked."""
