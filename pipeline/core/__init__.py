"""What every room builds on: parameters, files, sequences and predictions."""
