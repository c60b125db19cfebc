"""Designing an electrolyte molecule: the space of edits, its judges, and the task."""
