"""Control entries on private episodes, by ``voltgym benchmark-private core``; the secret was thrown away."""
