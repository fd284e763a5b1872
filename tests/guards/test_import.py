"""What `import monai_degia` loads: nothing that takes long and that few need."""

import subprocess
import sys

import pytest

#: Loaded where they are used: codecs, coded terms of DICOM, templates, runtimes of exported networks.
HEAVY = ["SimpleITK", "highdicom", "pydicom.sr", "jinja2", "onnxruntime", "torch.utils.tensorboard", "h5py"]


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    code = "import sys, monai; before = set(sys.modules); import monai_degia; print(*sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_library_is_not_loaded(loaded: set[str], name: str) -> None:
    assert "monai_degia.reading.xray.reader" in loaded, "vacuous: the package itself was not loaded"
    assert not {module for module in loaded if module == name or module.startswith(f"{name}.")}
