"""What all other packages build on: parameters, files, sequences and predictions."""
