"""Data that the surrogates are fitted to or checked against, each file with a card beside it."""
