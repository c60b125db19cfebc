"""What brings the properties of a molecule to order one in an observation."""

from __future__ import annotations

from collections.abc import Mapping

from voltgym.surrogates.solvent_names import (
    AFFINITY,
    BINDING,
    BOILING,
    DIPOLE,
    FLASH,
    IONIZATION,
    LIQUID,
    PERMITTIVITY,
    VISCOSITY,
)

SCALING: Mapping[str, tuple[float, float]] = {
    BOILING: (400.0, 100.0),
    FLASH: (320.0, 60.0),
    VISCOSITY: (0.0, 0.5),
    PERMITTIVITY: (1.0, 0.5),
    LIQUID: (0.5, 0.5),
    IONIZATION: (10.0, 1.5),
    AFFINITY: (-2.0, 1.5),
    BINDING: (180.0, 50.0),
    DIPOLE: (4.0, 3.0),
}
"""(offset, scale) that make the observation of a property of order one, in its unit."""
