"""Weights of the cathode surrogate."""
