"""Weights of the RUL estimator."""
