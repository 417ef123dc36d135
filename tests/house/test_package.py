"""What is installed is what is here: the wheel carries every file of the rooms, tables and templates too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.tree import ROOMS, ROOT, files


def test_the_wheel_carries_every_file_of_the_rooms(tmp_path: Path) -> None:
    ours = [name for name in files() if name.split("/")[0] in ROOMS]
    for name in [*ours, "pyproject.toml", "README.md", "LICENSE", "NOTICE"]:
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "src" / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", str(tmp_path), str(tmp_path / "src")], check=True)
    (wheel,) = tmp_path.glob("clinical_gateway-*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    assert set(ours) - carried == set()
