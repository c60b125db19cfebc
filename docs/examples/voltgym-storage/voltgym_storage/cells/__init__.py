"""Cells as BPX files; `cell=voltgym_storage:cells/pouch.json`."""
