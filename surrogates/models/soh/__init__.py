"""Weights of the SOH estimator."""
