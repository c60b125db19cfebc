"""voltgym's environments. Importing this only registers their ids; each loads what it needs when it is made."""

import gymnasium as gym

for _name, _module in {
    "Cathode-v0": "cathode.cathode",
    "FastCharge-v0": "charging.fast_charge",
    "ProtocolDesign-v0": "charging.protocol",
    "Solvent-v0": "solvent.solvent",
    "SolventRediscovery-v0": "solvent.rediscovery",
    "Thevenin-v0": "thevenin",
}.items():
    gym.register(
        f"VoltGym/{_name}",
        entry_point=f"voltgym.envs.{_module}:make",
        vector_entry_point=f"voltgym.envs.{_module}:make_vec",
    )
