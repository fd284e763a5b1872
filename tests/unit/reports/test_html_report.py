import base64
import hashlib
import io
import json
import tracemalloc
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor, list_data_collate
from monai.transforms import Resized
from PIL import Image

from monai_degia.data.lists.landmark_sets import HAND17, HAND21
from monai_degia.metrics.errors import nme
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd
from monai_degia.reading.upright import TurnUprightd
from monai_degia.reports import html_page
from monai_degia.reports.html_report import HtmlReport
from monai_degia.reports.report_thumbnails import ThumbnailEncoder
from monai_degia.results.upright_image import UprightImage

HOSTILE = "a</script><img src=x onerror=alert(1)>'\"&<!--.png"


class Page(HTMLParser):
    """Tags of a page as a browser's tokenizer sees them, with what stands in scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = False
        self.feed(path.read_text(encoding="utf-8"))
        self.settings = json.loads(self.scripts[0])
        self.images = [json.loads(text) for text in self.scripts[1:-1:2]]
        self.pictures = [base64.b64decode(text) for text in self.scripts[2:-1:2]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data
        else:
            self.text += data


def run(report: HtmlReport, batches: Sequence[tuple[dict[Any, Any], dict[Any, Any]]]) -> Engine:
    def step(engine: Engine, item: tuple[dict[Any, Any], dict[Any, Any]]) -> dict[Any, Any]:
        engine.state.batch, output = item
        return output

    engine = Engine(step)
    report.attach(engine)
    engine.run(batches)
    return engine


def batch(files: Sequence[str], **columns: Any) -> dict[Any, Any]:
    images = [MetaTensor(torch.rand(3, 20, 30), meta={"filename_or_obj": file}) for file in files]
    return {**list_data_collate([{"image": image} for image in images]), **columns}


def report_of(folder: Path, given: dict[Any, Any], found: dict[Any, Any], **options: Any) -> Page:
    options = {"pictures": "network", "landmarks": ["wrist", "thumb_tip", "index_tip"], **options}
    run(HtmlReport(folder, **options), [(given, found)])
    return Page(folder / "report.html")


def test_no_name_can_leave_its_place(tmp_path: Path) -> None:
    """File names, domains and versions come from outside; each is read back as it was, or escaped if it is no text."""
    domains = [HOSTILE, r"$\undefined{$", "\udcff\n"]
    files = [f"/data/{HOSTILE}", "/data/\udcff\u2028.png", "/data/{{ 7*7 }}.png"]
    page = report_of(
        tmp_path,
        batch(files, domain=domains),
        {"pred": torch.rand(3, 3, 2), "confidence": torch.rand(3, 3), "domain_shift": torch.rand(3)},
        image_dir="/data",
        model_version=HOSTILE,
    )
    assert [image["name"] for image in page.images] == [HOSTILE, "\\udcff\u2028.png", "{{ 7*7 }}.png"]
    assert page.settings["domains"] == [image["domain"] for image in page.images] == domains
    assert f"3 images, {HOSTILE}" in page.text
    kinds = {tag for tag, _ in page.tags}
    assert "img" not in kinds and "svg" in kinds and not kinds & {"iframe", "object", "embed", "base", "form"}
    assert len(page.scripts) == 1 + 2 * 3 + 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    targets = [attributes.get(name) for _, attributes in page.tags for name in ("src", "href", "xlink:href", "action")]
    assert {str(target)[:1] for target in targets if target} <= {"#", "d"}  # inside the page, or data:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 20


def test_only_the_script_of_the_package_may_run(tmp_path: Path) -> None:
    page = report_of(tmp_path, batch(["a.png"]), {"pred": torch.rand(1, 3, 2)})
    (policy,) = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert policy and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "Research use only" in page.text


def test_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    prediction, label = torch.rand(2, 3, 2), torch.rand(2, 3, 2)
    confidence, radius, shift = torch.rand(2, 3), torch.rand(2, 3), torch.tensor([1.5, 0.25])
    found = {"pred": prediction, "label": label, "confidence": confidence, "radius": radius, "domain_shift": shift}
    page = report_of(tmp_path, batch(["a.png", "b.png"], domain=["photo", "xray"]), found)
    pixels, target = (denormalize_landmarks(points, (20, 30)) for points in (prediction, label))
    error = nme(pixels, target)
    for index, image in enumerate(page.images):
        assert image["size"] == [20, 30] and image["domain"] == ("photo", "xray")[index]
        assert np.array(image["points"]) == pytest.approx(pixels[index].numpy(), abs=0.006)
        assert np.array(image["labels"]) == pytest.approx(target[index].numpy(), abs=0.006)
        assert image["error"] == pytest.approx(error[index].tolist(), rel=1e-3)
        assert image["confidence"] == pytest.approx(confidence[index].tolist(), rel=1e-3)
        assert image["radius"] == pytest.approx(radius[index].tolist(), rel=1e-3) and image["withheld"] is False
        means = {"confidence": confidence[index].mean(), "shift": shift[index], "error": error[index].mean()}
        means["radius"] = radius[index].mean()
        assert image["order"] == pytest.approx({key: float(value) for key, value in means.items()}, rel=1e-4)
    assert [(s["key"], s["descending"]) for s in page.settings["sorts"]] == [
        ("confidence", False),
        ("radius", True),
        ("shift", True),
        ("error", True),
    ]


@pytest.mark.parametrize(
    ("found", "sorts", "plots"),
    [
        ({}, [], 0),
        ({"label": torch.rand(2, 3, 2)}, ["error"], 2),
        ({"confidence": torch.rand(2, 3)}, ["confidence"], 2),
        ({"confidence": None, "domain_shift": torch.rand(2), "label": None}, ["shift"], 1),
        ({"confidence": torch.full((2, 3), torch.nan)}, ["confidence"], 0),
        ({"radius": torch.rand(2, 3)}, ["radius"], 2),
        ({"domain_shift": torch.full((2,), torch.inf), "label": torch.ones(2, 3, 2)}, [], 0),
    ],
)
def test_what_is_unknown_is_no_key_and_no_plot(
    tmp_path: Path, found: dict[str, Any], sorts: list[str], plots: int
) -> None:
    page = report_of(tmp_path, batch(["a.png", "b.png"]), {"pred": torch.rand(2, 3, 2), **found})
    assert [sort["key"] for sort in page.settings["sorts"]] == sorts
    assert [tag for tag, _ in page.tags].count("svg") == plots
    assert page.settings["domains"] == ["all"]


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    confidence = torch.tensor([[0.5, 0.25, 0.75], [0.5, torch.nan, torch.inf]])
    found = {"pred": torch.rand(2, 3, 2), "confidence": confidence, "domain_shift": torch.tensor([torch.inf, 2.0])}
    page = report_of(tmp_path, batch(["a.png", "b.png"]), found)
    one, two = page.images
    assert one["order"] == {"confidence": 0.5, "radius": None, "shift": None, "error": None}
    assert two["order"] == {"confidence": None, "radius": None, "shift": 2.0, "error": None}
    assert two["confidence"] == [0.5, None, None] and two["withheld"] is False


def test_a_withheld_confidence_is_told_from_an_unknown_one(tmp_path: Path) -> None:
    confidence = torch.tensor([[0.5, 0.25, 0.75], [torch.nan] * 3])
    page = report_of(tmp_path, batch(["a.png", "b.png"]), {"pred": torch.rand(2, 3, 2), "confidence": confidence})
    assert [image["withheld"] for image in page.images] == [False, True]
    assert page.images[1]["confidence"] is None and "withheld where the image is unlike" in page.text
    unknown = report_of(tmp_path, batch(["a.png", "b.png"]), {"pred": torch.rand(2, 3, 2)})
    assert not any(image["withheld"] for image in unknown.images)


@pytest.mark.parametrize(
    ("landmarks", "count", "bones"),
    [("hand21", 21, 20), ("hand17", 17, 12), (["sella", "nasion"], 2, 0), (["only"], 1, 0)],
)
def test_any_set_of_landmarks(tmp_path: Path, landmarks: Any, count: int, bones: int) -> None:
    found = {"pred": torch.rand(1, count, 2), "label": torch.rand(1, count, 2), "confidence": torch.rand(1, count)}
    page = report_of(tmp_path, batch(["a.png"]), found, landmarks=landmarks)
    names = {21: list(HAND21), 17: list(HAND17)}.get(count, landmarks)
    assert page.settings["names"] == names and len(page.settings["bones"]) == bones
    assert len(page.settings["colors"]) == len(page.images[0]["points"]) == count
    assert len(set(page.settings["colors"])) >= min(count, 5)
    assert (page.images[0]["order"]["error"] is None) == (count == 1)  # a single point has no size to compare with
    assert all(name.replace("_", " ") in page.text for name in names)  # in the plot


@pytest.mark.parametrize("kind", ["grey", "rgb", "depth16", "grey16"])
def test_a_picture_of_any_kind_becomes_a_small_one(tmp_path: Path, kind: str) -> None:
    rows, columns = np.mgrid[:90, :60]
    pixels = {
        "grey": np.where(columns < 30, 40, 200).astype(np.uint8),
        "rgb": np.stack([np.where(columns < 30, 40, 200), rows, 90 - rows], -1).astype(np.uint8),
        "depth16": np.where(columns < 30, 0, 900).astype(np.uint16),
        "grey16": np.where(columns < 30, 40 * 257, 200 * 257).astype(np.uint16),
    }[kind]
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    shown, _ = UprightImage()(file, torch.zeros(1, 2), "xray" if kind == "grey16" else "auto")
    data = ThumbnailEncoder(45).from_tensor(shown)
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "WEBP" and picture.size == (30, 45) and picture.mode == "RGB"
    small = np.asarray(picture).astype(int)
    left, right = small[22, 5], small[22, 25]
    expected = {"grey": (40, 200), "rgb": (40, 200), "depth16": (0, 255), "grey16": (0, 255)}[kind]
    assert left[0] == pytest.approx(expected[0], abs=12) and right[0] == pytest.approx(expected[1], abs=12)
    if kind == "rgb":
        assert small[2, 5][1] < 20 < 60 < small[2, 5][2] and small[43, 5][2] < 20 < 60 < small[43, 5][1]


def test_a_small_picture_is_not_enlarged_and_clipped_not_wrapped() -> None:
    encoder = ThumbnailEncoder(192)
    image = torch.zeros(1, 24, 16)
    image[:, 12:] = 1.2
    picture = np.asarray(Image.open(io.BytesIO(encoder.from_tensor(image))))
    assert picture.shape == (16, 24, 3) and picture[8, 2].max() < 12 and picture[8, 22].min() > 243


def test_points_are_pixels_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.full((80, 60, 3), 90, dtype=np.uint8)).save(file)
    sample: Any = {"image": str(file), "modality": "auto"}
    resize = Resized("image", (20, 20), mode="bilinear")
    for step in (LoadAnyImaged("image"), ScaleModalityd("image"), MatchChannelsd("image", 3), resize):
        sample = step(sample)
    given = list_data_collate([FileGeometryd("image")(sample)])
    found = {"pred": torch.tensor([[[0.25, 0.5], [0.0, 0.0], [1.0, 1.0]]])}
    page = report_of(tmp_path / "out", given, found, pictures="file", image_dir=tmp_path)
    (image,) = page.images
    assert image["name"] == "a.png" and image["domain"] == "photo" and image["size"] == [60, 80]
    assert np.array(image["points"]) == pytest.approx(np.array([[14.5, 39.5], [-0.5, -0.5], [59.5, 79.5]]), abs=0.01)
    assert Image.open(io.BytesIO(page.pictures[0])).size == (60, 80)
    file.unlink()
    page = report_of(tmp_path / "out", given, found, pictures="file", image_dir=tmp_path)
    assert page.images == [image] and page.pictures == [b""]


def test_a_photograph_stored_sideways_is_shown_upright_with_its_landmarks(tmp_path: Path) -> None:
    """Both points are told in pixels as stored, and stay on what they mark."""
    upright = np.full((40, 64, 3), 90, dtype=np.uint8)
    upright[4:8, 50:54], upright[30:34, 10:14] = (250, 0, 0), (0, 250, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    file = tmp_path / "a.png"
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
    sample: Any = {"image": str(file), "modality": "photo"}
    for step in (LoadAnyImaged("image"), TurnUprightd("image"), FileGeometryd("image")):
        sample = step(sample)
    marks = torch.tensor([[[52.0, 6.0], [12.0, 32.0]]]) / torch.tensor([64.0, 40.0])  # red, green
    given = {"pred": marks, "label": marks.flip(1)}
    options: dict[str, Any] = {"landmarks": ["red", "green"], "pictures": "file"}
    page = report_of(tmp_path / "out", list_data_collate([sample]), given, **options)
    (image,) = page.images
    picture = np.asarray(Image.open(io.BytesIO(page.pictures[0])).convert("RGB")).astype(int)
    assert image["size"] == [64, 40] and picture.shape == upright.shape
    assert np.abs(picture - upright).mean() < 12  # WebP
    assert np.array(image["points"]) == pytest.approx(np.array([[51.5, 5.5], [11.5, 31.5]]), abs=0.01)
    assert image["labels"] == image["points"][::-1]


def test_images_without_a_result_are_counted(tmp_path: Path) -> None:
    given = batch(["a.png", "b.png", "c.png"], error=["", "Cannot read image b.png", ""])
    page = report_of(tmp_path, given, {"pred": torch.rand(3, 3, 2)})
    assert [image["name"] for image in page.images] == ["a.png", "c.png"]
    assert "1 further image could not be read" in page.text and "Cannot read" not in page.text
    none = report_of(tmp_path, batch(["b.png"], error=["gone"]), {"pred": torch.rand(1, 3, 2)})
    assert none.images == [] and "0 images" in none.text


def test_the_page_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_of(tmp_path, batch(["a.png"]), {"pred": torch.rand(1, 3, 2)})
    old = (tmp_path / "report.html").read_bytes()
    good, bad = ((batch(["b.png"]), {"pred": points}) for points in (torch.rand(1, 3, 2), torch.rand(1, 4, 2)))
    options: dict[str, Any] = {"landmarks": ["a", "b", "c"], "pictures": "network"}
    with pytest.raises(ValueError, match=r"b\.png: expected 3 finite landmarks, got shape \(4, 2\)"):
        run(HtmlReport(tmp_path, **options), [good, bad])

    def break_off(self: HtmlReport) -> Any:
        yield "{}", "AAAA"
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(HtmlReport, "_spooled", break_off)
        with pytest.raises(OSError, match="disk full"):
            run(HtmlReport(tmp_path, **options), [good])
    assert (tmp_path / "report.html").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_second_run_of_one_handler_starts_anew(tmp_path: Path) -> None:
    report = HtmlReport(tmp_path, ["a", "b"], pictures="network")
    for files in (["a.png", "b.png"], ["c.png"]):
        run(report, [(batch(files), {"pred": torch.rand(len(files), 2, 2)})])
    page = Page(tmp_path / "report.html")
    assert [image["name"] for image in page.images] == ["c.png"] and "1 image," not in page.text
    assert "1 image." in page.text


def test_pictures_wait_on_disk(tmp_path: Path) -> None:
    report = HtmlReport(tmp_path, ["a", "b"], pictures="network")
    items = [({"image": torch.rand(20, 3, 96, 96)}, {"pred": torch.rand(20, 2, 2)}) for _ in range(6)]
    held = []

    def step(engine: Engine, item: Any) -> Any:
        engine.state.batch = item[0]
        return item[1]

    engine = Engine(step)
    report.attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: held.append(tracemalloc.get_traced_memory()[0]))
    run(HtmlReport(tmp_path / "warm", ["a", "b"], pictures="network"), items[:1])
    tracemalloc.start()
    try:
        engine.run(items)
    finally:
        tracemalloc.stop()
    size = (tmp_path / "report.html").stat().st_size
    assert size > 300_000 and held[0] < size / 3


def test_names_without_files_are_numbers(tmp_path: Path) -> None:
    page = report_of(tmp_path, {"image": torch.rand(2, 1, 8, 8)}, {"pred": torch.rand(2, 3, 2)})
    assert [image["name"] for image in page.images] == ["image 1", "image 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": "both"}, "pictures 'file' or 'network' .* got 'both' and 0.5"),
        ({"doubtful_below": 1.5}, r"doubtful_below in \[0, 1\], got 'file' and 1.5"),
        ({"thumbnail_side": 8}, "side of at least 16 pixels, got 8"),
        ({"landmarks": "hand20"}, "Unknown landmark set 'hand20'. Did you mean 'hand21'"),
    ],
)
def test_options_that_make_no_sense_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HtmlReport(tmp_path, **{"landmarks": "hand21", **options})


def test_images_that_cannot_be_shown_are_named(tmp_path: Path) -> None:
    found = {"pred": torch.rand(1, 3, 2)}
    with pytest.raises(ValueError, match=r"Put FileGeometryd behind the transforms, or pass pictures='network'"):
        report_of(tmp_path, batch(["a.png"]), found, pictures="file")
    with pytest.raises(ValueError, match=r"image \(C, X, Y\) with C = 1 or 3, got shape \(2, 8, 8\)"):
        report_of(tmp_path, {"image": torch.rand(1, 2, 8, 8)}, found)
    with pytest.raises(ValueError, match=r"a\.png: expected 3 finite .* 6 numbers that are not finite"):
        report_of(tmp_path, batch(["a.png"]), {"pred": torch.full((1, 3, 2), torch.nan)})


def test_the_parts_of_the_page_come_with_the_package() -> None:
    folder = Path(html_page.__file__).parent / "report_page"
    assert {path.suffix for path in folder.iterdir()} == {".jinja", ".css", ".js"}
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 250 for path in folder.iterdir())
