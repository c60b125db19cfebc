"""Weights of the protocol surrogate."""
