"""A 3-D UNet for segmentation, trained by a bundle config, and once more with one overlay that adds `RandConvd`.

Tested on volumes like those of training and on the same volumes with bright and dark exchanged.
"""

from __future__ import annotations

from pathlib import Path

from monai.bundle import ConfigParser

HERE = Path(__file__).parent


def dice(overlays: list[str]) -> list[float]:
    """Dice on plain and on inverted volumes."""
    parser = ConfigParser(ConfigParser.load_config_files([str(HERE / name) for name in ("train.json", *overlays)]))
    for section in ("initialize", "run"):
        parser.get_parsed_content(section)
    network, scores = parser.get_parsed_content("network"), []
    for invert in (False, True):
        parser["validate"]["invert"] = invert
        parser.parse(True)
        evaluator = parser.get_parsed_content("validate#evaluator")
        evaluator.network = network
        evaluator.run()
        scores.append(evaluator.state.metrics["dice"])
    return scores


def main() -> None:
    """Train both ways and print Dice."""
    print("Dice               plain  inverted")
    for name, overlays in (("train.json", []), ("with randconv.json", ["randconv.json"])):
        plain, inverted = dice(overlays)
        print(f"{name:18s} {plain:6.3f} {inverted:9.3f}")


if __name__ == "__main__":
    main()
