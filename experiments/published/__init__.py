"""The published result set: a track is three files, see ``results.py``; written by ``voltgym benchmark core``."""
