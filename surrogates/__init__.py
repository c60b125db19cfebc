"""What a design is worth, learned: data, features and models with honest uncertainty. The lowest layer."""
