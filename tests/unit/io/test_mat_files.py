"""MATLAB files through a process of their own."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from monai_degia.io import mat_files
from monai_degia.io.mat_files import read_mat


def test_arrays_cells_and_names_come_back(tmp_path: Path) -> None:
    cells = np.empty((2, 2), dtype=object)
    cells[:] = [[np.eye(2), np.array(["wrist"])], [np.arange(3, dtype=np.uint8), np.empty((0, 4))]]
    savemat(tmp_path / "a.mat", {"cells": cells, "images": np.arange(6.0).reshape(2, 3), "struct": {"a": 1}})
    found = read_mat(tmp_path / "a.mat")
    assert set(found) == {"cells", "images"} and np.array_equal(found["images"], [[0, 1, 2], [3, 4, 5]])
    assert found["cells"].shape == (2, 2) and found["cells"].dtype == object
    assert np.array_equal(found["cells"][0, 0], np.eye(2)) and str(np.squeeze(found["cells"][0, 1])) == "wrist"
    assert found["cells"][1, 0].dtype == np.uint8 and found["cells"][1, 1].shape == (0, 4)
    assert set(read_mat(tmp_path / "a.mat", ["images", "nothing"])) == {"images"}
    assert read_mat(tmp_path / "a.mat", ["nothing"]) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no MATLAB file at all" * 20, "is no MATLAB file, or truncated"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", "is a MATLAB 7.3 file"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.mat {reason}"):
        read_mat(path)


def test_a_reader_that_dies_takes_nobody_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat_files, "_CHILD", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ValueError, match=r"a\.mat is no MATLAB file, or damaged: .* did not survive it .SIGSEGV"):
        read_mat(tmp_path / "a.mat")
