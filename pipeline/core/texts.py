"""What every reader of raw text agrees on."""

# An HTML line break, in any case and with blanks before the slash; for Python's `re` and for the
# tokenizers' own expressions alike.
LINE_BREAK = r"(?i:<br\s*/?>)"
