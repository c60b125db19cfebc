"""The solvent surrogate: see MODEL_CARD.md."""
