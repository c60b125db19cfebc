"""Where a cell file is: a path, or ``package:file`` for one that comes with an installed package."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from voltgym.envs.charging.cell_files import CellError
from voltgym.envs.errors import shown

_PACKAGED = re.compile(r"([A-Za-z_]\w+(?:\.\w+)*):([^/\\].*)")
"""At least two letters before the colon, so that ``C:cell.json`` stays what it is on Windows."""


def locate(text: str) -> Path:
    """The path of a cell file. Raises `CellError` for what cannot be one, or a package that is not installed."""
    packaged = _PACKAGED.fullmatch(text)
    try:
        if packaged:
            return Path(str(resources.files(packaged[1]))).joinpath(packaged[2]).resolve()
        return Path(text).expanduser().resolve()
    except ImportError as error:
        raise CellError(
            f"cell {shown(text)}: {error}; install the package that has the cell, or mend its name."
        ) from None
    except (OSError, ValueError, RuntimeError, TypeError) as error:  # too long, a null byte, a loop, nobody's home
        raise CellError(f"{shown(text)} cannot be the path of a cell file: {error}. Check the path.") from None
