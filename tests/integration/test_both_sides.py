"""`both_sides` of the bundle's training reaches all that it decides."""

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

ROOT = Path(__file__).parents[2]
ITEMS = [{"image": f"{index}.png"} for index in range(4)]


def parsed(*overlays: str, **entries: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(ROOT / "bundle" / "configs" / "train.json"), *(str(ROOT / name) for name in overlays)])
    # A tuple, which the parser leaves alone: it would look for references in the items of a list.
    parser.update({"splits": (ITEMS, ITEMS, []), **entries})
    return parser


@pytest.mark.parametrize(
    ("overlays", "entries", "both_sides"),
    [
        ([], {}, False),
        ([], {"both_sides": True}, True),
        (["configs/run/both_sides.yaml"], {}, True),
        (["configs/data/signdigits.yaml"], {}, False),
        (["configs/data/hands.yaml"], {"source_sets::faded": []}, True),
    ],
)
def test_images_are_flipped_in_training_and_every_other_one_in_validation(
    overlays: list[str], entries: dict[str, Any], both_sides: bool
) -> None:
    parser = parsed(*overlays, **entries)
    geometry = parser.get_parsed_content("train::batch_augmentations")[0]
    assert geometry.flip_prob == (0.5 if both_sides else 0)
    assert geometry in parser.get_parsed_content("train::prepare_batch").augmentations
    shown = parser.get_parsed_content("validate::dataset::data")
    assert [item.get("mirror", False) for item in shown] == [False, both_sides] * 4


def test_photographs_of_three_sets_are_shown_as_they_are() -> None:
    """A network of both sides is told of no image which one it shows, wherever it is trained or judged."""
    assert not [key for key in _keys(parsed("configs/data/hands.yaml").get()) if key == "mirror_where"]


def test_hands_of_one_side_are_mirrored_in_every_set_that_tells_it() -> None:
    one_side = parsed("configs/data/hands.yaml", "configs/data/hands_one_side.yaml", **{"source_sets::faded": []})
    told = [f"source_sets#{name}" for name in ("more_train", "more_validate", "more_test", "rendered")]
    assert one_side["source_sets#rendered#mirror_where"] == one_side["source_sets#more_test#mirror_where"]
    faded = parsed("configs/data/hands.yaml", "configs/data/hands_one_side.yaml")["source_sets#faded#mirror_where"]
    assert faded == one_side["source_sets#rendered#mirror_where"]
    for name in (*told, "unseen_lists#1"):
        assert one_side.get_parsed_content(f"{name}#mirror_where") == {"thumb_on_right": "0"}, name
    assert not any("mirror_where" in _keys(one_side[name]) for name in ("source_sets#signdigits", "unseen_lists#0"))
    assert one_side.get_parsed_content("train::batch_augmentations")[0].flip_prob == 0
    assert not any(item.get("mirror") for item in one_side.get_parsed_content("validate::dataset::data"))


def _keys(config: Any) -> list[str]:
    values = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    return [*(config if isinstance(config, dict) else ()), *(key for value in values for key in _keys(value))]
