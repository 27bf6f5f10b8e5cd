"""How good the models are, how sure that is, and where they differ. No TensorFlow in here."""
