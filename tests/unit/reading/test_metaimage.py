import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from monai.transforms import LoadImaged

from monai_degia.reading.metaimage import MetaImageReader

RNG = np.random.default_rng(3)


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = LoadImaged("image", reader=MetaImageReader, ensure_channel_first=True)({"image": path})["image"]
    return image.numpy(), image.affine.numpy()


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("shape", [(12, 20), (12, 20, 3), (1, 12, 20)], ids=["grey", "rgb", "slice"])
def test_array_and_affine_are_those_of_itk(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    rgb = shape[-1] == 3
    values = RNG.integers(0, 256, shape, dtype=np.uint8)
    image = SimpleITK.GetImageFromArray(values, isVector=rgb)
    dim = image.GetDimension()
    turn = np.eye(dim)
    turn[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    image.SetDirection(turn.ravel().tolist())
    image.SetSpacing([0.3, 0.1, 2.0][:dim])
    image.SetOrigin([4.0, 5.0, 6.0][:dim])
    SimpleITK.WriteImage(image, str(tmp_path / f"a{suffix}"))
    array, affine = load(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(array, values.transpose(2, 1, 0) if rgb else values.T[None])
    pixel = [7, 2, 0][:dim]
    lps = [*image.TransformContinuousIndexToPhysicalPoint(pixel), 0.0][:3]
    np.testing.assert_allclose((affine @ [7, 2, 0, 1])[:3], np.multiply(lps, [-1, -1, 1]), atol=1e-9)


def test_it_is_for_metaimage_alone() -> None:
    reader = MetaImageReader()
    assert reader.verify_suffix("a.MHA") and reader.verify_suffix(["a.mhd"]) and not reader.verify_suffix("a.png")
    with pytest.raises(ValueError, match="one image of one file, got 2"):
        reader.read(["a.mha", "b.mha"])


def test_a_damaged_file_gets_the_reason_of_itk_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    path.write_text("no header at all")
    with pytest.raises(ValueError, match=r"a\.mha") as error:
        MetaImageReader().read(path)
    assert "Exception thrown" not in str(error.value) and "\n" not in str(error.value)


def test_a_name_that_is_not_utf8_does_not_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"m\xfcller.mha")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"is not UTF-8\. Rename it"):
        MetaImageReader().read(path)
