"""Does attention improve a Bi-LSTM on long sequences, and can its weights be trusted?"""

__version__ = "0.1.0"
