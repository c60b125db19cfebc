"""Hydra configs: one YAML a thing, composed by ``voltgym.experiments``. A folder is a config group."""
