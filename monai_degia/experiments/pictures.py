"""Pictures of several runs in one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from monai_degia.experiments.grids import Run
from monai_degia.io.files import whole_file

__all__ = ["collect_pictures", "side_by_side"]

HEADING = 36


def collect_pictures(runs: Sequence[Run], output_dir: Path) -> tuple[Path | None, Path | None]:
    """Gather what the first seed's runs drew: overlays of one network side by side, and the last generated images.

    Args:
        runs: the runs of a grid, finished.
        output_dir: their folder; gets ``overlay.png`` and ``generated.png``.

    Returns:
        The two files, ``None`` where no run drew any.

    """
    first = [run for run in runs if run.seed == runs[0].seed]
    network = first[-1].row.labels.get("network")
    shown = [run for run in first if run.row.labels.get("network") == network]
    overlays = {
        run.row.labels.get("method", run.name): output_dir / run.name / "evaluation" / "overlay.png" for run in shown
    }
    overlays = {name: path for name, path in overlays.items() if path.is_file()}
    rounds = [path for run in shown for path in sorted((output_dir / run.name).glob("generated_round=*.png"))]
    overlay = side_by_side(overlays, output_dir / "overlay.png") if overlays else None
    generated = Path(shutil.copyfile(rounds[-1], output_dir / "generated.png")) if rounds else None
    return overlay, generated


def side_by_side(pictures: Mapping[str, Path], path: Path) -> Path:
    """Put pictures of equal layout next to each other, each under its name.

    Args:
        pictures: name to picture file.
        path: the file to write.

    Returns:
        ``path``.

    """
    images = {name: Image.open(file).convert("RGB") for name, file in pictures.items()}
    size = (sum(image.width for image in images.values()), HEADING + max(image.height for image in images.values()))
    canvas = Image.new("RGB", size, "white")
    draw, left = ImageDraw.Draw(canvas), 0
    for name, image in images.items():
        draw.text((left + image.width / 2, HEADING / 2), name, "black", ImageFont.load_default(24), anchor="mm")
        canvas.paste(image, (left, HEADING))
        left += image.width
    with whole_file(path) as partial:
        canvas.save(partial)
    return path
