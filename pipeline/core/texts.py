"""What all code that reads raw text shares."""

# An HTML line break, in either case, with or without spaces and a slash. Works in Python's `re`
# and in `tokenizers`.
LINE_BREAK = r"(?i:<br\s*/?>)"
