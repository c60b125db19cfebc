"""Settings that every test shares. Set before PyBaMM or NumPy is imported."""

from __future__ import annotations

import os

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# The same examples every time: a red run can be repeated, and a slow machine is no failure.
settings.register_profile("voltgym", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("voltgym")
