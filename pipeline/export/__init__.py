"""Export of a trained model for other programs: ONNX, and TensorFlow's SavedModel."""
