"""Package metadata of monai_degia; tool tables live in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "monai_degia" / "__init__.py").read_text(encoding="utf-8"))
if VERSION is None:
    raise RuntimeError("monai_degia/__init__.py holds no __version__ line.")


def page(readme: str) -> str:
    """The front page for where no checkout is around it: without pictures and links that lie in one."""
    no_pictures = re.sub(r"<img [^>]*>|!\[[^\]]*\]\((?!https?:)[^)]*\)", "", readme)
    plain_links = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", no_pictures)
    return re.sub(r"\n{3,}", "\n\n", plain_links)


# Beside the package in a checkout, inside it where it is installed.
FOLDERS = {"bundle": ("configs", "docs", "models", "LICENSE"), "configs": (".",)}


class BuildWithBundle(build_py):
    """Put the bundle and the overlays into the wheel, so that the commands have them."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for folder, parts in FOLDERS.items():
            for part in parts:
                target = Path(self.build_lib) / "monai_degia" / folder / part
                if (ROOT / folder / part).is_dir():
                    shutil.copytree(ROOT / folder / part, target, dirs_exist_ok=True)
                else:
                    shutil.copyfile(ROOT / folder / part, target)


EXTRAS = {
    # The bundle's own checks: the metadata schema and the command line of monai.bundle.
    "bundle": ["fire", "jsonschema", "pyyaml"],
    # Labels of DeepLabCut as HDF5; its CSV needs nothing.
    "deeplabcut": ["pandas", "tables"],
    # Labels of SLEAP.
    "sleap": ["sleap-io"],
    # USPS as it is published: an HDF5 file.
    "digits": ["h5py"],
    # DICOM structured reports of landmarks; highdicom needs pydicom 3.
    "sr": ["highdicom"],
    # The documentation, and the notebooks in it.
    "docs": ["furo", "ipykernel", "myst-nb", "sphinx", "sphinx-copybutton"],
    # What runs beside MONAI Label 0.8.5, which needs older packages than the rest.
    "label": [
        "dicomweb-client[gcp]<0.60",
        "monailabel==0.8.5",
        "numpy<2",
        "pydicom<3",
        "pynetdicom<3",
        "torch==2.14.1",
        "torchvision==0.29.1",
    ],
    # --tracking mlflow.
    "tracking": ["mlflow"],
    # The exported network, and running it with ONNX Runtime.
    "onnx": ["onnx", "onnxruntime", "onnxscript"],
}
EXTRAS["dev"] = [
    *EXTRAS["docs"],
    *EXTRAS["deeplabcut"],
    *EXTRAS["digits"],
    *EXTRAS["onnx"],
    *EXTRAS["sleap"],
    *EXTRAS["sr"],
    *EXTRAS["tracking"],
    # Which lines the tests run; it measures processes that are started, too, from 7.10 on.
    "coverage>=7.10",
    "hypothesis",
    "mutmut>=3.8",
    "mypy",
    "pytest",
    "pytest-xdist",
    "ruff",
    "selenium",
    # The test of the wheel builds one without the network.
    "setuptools>=70",
    "types-PyYAML",
    "types-tqdm",
]

setup(
    name="monai_degia",
    version=VERSION.group(1),
    description="Landmark networks trained on one image domain that work on domains nobody has seen: DeGIA for MONAI",
    long_description=page((ROOT / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    author="monai_degia contributors",
    license="Apache-2.0",
    license_files=["LICENSE", "bundle/LICENSE", "bundle/docs/data_license.txt"],
    keywords=[
        *("MONAI", "medical imaging", "landmarks", "key points", "radiographs", "hand"),
        *("domain generalization", "normalizing flow", "adversarial training", "random convolution", "DeGIA"),
    ],
    project_urls={"Paper": "https://arxiv.org/abs/1905.12028"},
    python_requires=">=3.10",
    packages=find_packages(include=["monai_degia", "monai_degia.*"]),
    package_data={"monai_degia": ["py.typed", "data/lists/sets/*.json", "reports/report_page/*"]},
    # The lowest versions are those that `make test-min` runs the tests with.
    install_requires=[
        "filelock>=3.12",
        "jinja2>=3.1",
        "markupsafe",
        "matplotlib>=3.7",
        "monai>=1.6",
        "networkx",
        "nibabel",
        "numpy>=1.26",
        "pillow",
        "pydicom>=2.4",
        "pytorch-ignite>=0.5",
        "scipy",
        "SimpleITK",
        "tensorboard",
        "torch>=2.8",
        "torchvision>=0.23",
        "tqdm",
        *EXTRAS["bundle"],
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["monai_degia = monai_degia.cli.main:command_line"]},
    cmdclass={"build_py": BuildWithBundle},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
)
