"""The demo: a page on this machine that asks models about a text, word by word."""
