"""Who acts: references, random, SB3 and BoTorch agents, each built from one YAML by `_target_`."""
