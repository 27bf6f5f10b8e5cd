"""Does attention make a Bi-LSTM better on long sequences, and can its weights be believed?"""

__version__ = "0.1.0"
