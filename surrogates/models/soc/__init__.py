"""Weights of the SOC estimator."""
