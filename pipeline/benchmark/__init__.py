"""How fast, and in how much memory: Spotlight beside stock Keras, PyTorch and ONNX Runtime.

Every measured thing runs in a process of its own, so that libraries share neither threads nor
memory, and the process that asks them in turn stays light.
"""
