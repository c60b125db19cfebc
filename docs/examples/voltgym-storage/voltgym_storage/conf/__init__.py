"""Configs, as voltgym composes them: one YAML a thing. The entry point in pyproject.toml names this package."""
