"""Charging a lithium-ion cell: PyBaMM as the digital twin. Nothing is imported until an environment is made."""
