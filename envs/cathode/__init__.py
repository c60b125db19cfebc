"""Layered cathodes: composition, crystal, interatomic potential, and the environment that designs them."""
