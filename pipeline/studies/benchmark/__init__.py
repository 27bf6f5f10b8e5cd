"""How fast, and in how much memory: Spotlight beside stock Keras, PyTorch and ONNX Runtime.

Each measurement runs in its own process, so libraries share neither threads nor memory, and the
process that starts them stays light.
"""
