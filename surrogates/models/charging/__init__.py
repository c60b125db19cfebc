"""Weights of the learned twin."""
