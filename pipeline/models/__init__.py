"""The compared models: attention, the network around it, and the reference classifier."""
