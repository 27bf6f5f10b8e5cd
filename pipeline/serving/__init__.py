"""The served model: raw input in, labels or values out."""
