from __future__ import annotations

from pathlib import Path

import pytest

from voltgym.envs.charging.cell_places import locate
from voltgym.envs.charging.cells import CellError, load_cell


def test_a_file_of_an_installed_package_is_found() -> None:
    found = locate("voltgym.envs.charging:data/LGM50.yaml")
    assert found.is_file()
    assert load_cell("voltgym.envs.charging:data/LGM50.yaml").name == "LGM50"


def test_a_path_stays_a_path(tmp_path: Path) -> None:
    assert locate(str(tmp_path / "cell.json")) == (tmp_path / "cell.json").resolve()
    assert locate("C:cell.json").name == "C:cell.json"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("no_such_package:cell.json", "No module named 'no_such_package'; install the package"),
        ("voltgym.envs.charging:data/LGM51.yaml", "no such cell file. Did you mean 'LGM50.yaml'"),
    ],
)
def test_mistakes_are_one_line(cell: str, says: str) -> None:
    with pytest.raises(CellError) as caught:
        load_cell(cell)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
