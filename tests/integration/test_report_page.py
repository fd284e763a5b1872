"""The report in a browser: what a reader sees, points at and reaches with the keyboard."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigWorkflow
from monai.data import MetaTensor, list_data_collate

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.data.rendered.dataset import write_synthetic_dataset
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration
from monai_degia.model.trained_model import TrainedModel
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.reports.html_report import HtmlReport

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
CONFIGS = Path(__file__).parents[2] / "bundle" / "configs"
HOSTILE = "x</script><img src=x onerror=document.title='hit'>.png"

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no browser: apt-get install chromium chromium-driver"
)


def write_report(folder: Path, count: int, side: int) -> Path:
    """A page of images whose figures are known: the n-th has the confidence, shift and error that its number says."""
    numbers = torch.arange(count)
    confidence = ((numbers * 7919 % count) / count)[:, None].expand(count, 21)
    label = torch.rand(1, 21, 2).expand(count, 21, 2) * 0.8 + 0.1
    prediction = label + (numbers / count * 0.1)[:, None, None]
    shift = ((numbers * 104729 + 1) % count).float()

    def step(engine: Engine, rows: torch.Tensor) -> dict[str, Any]:
        image: dict[str, Any] = {"image": torch.rand(len(rows), 3, side, side)}
        if count < 1000:  # collating costs more than the report
            names = [f"/data/{HOSTILE}" if row == 3 else f"/data/sub/{row:05d}.png" for row in rows.tolist()]
            named = zip(image["image"], names, strict=True)
            image = list_data_collate([{"image": MetaTensor(x, meta={"filename_or_obj": name})} for x, name in named])
        engine.state.batch = {**image, "domain": [("photo", "xray")[row % 2] for row in rows]}
        found = {"pred": prediction, "label": label, "confidence": confidence, "domain_shift": shift}
        return {key: values[rows] for key, values in found.items()}

    engine = Engine(step)
    HtmlReport(folder, "hand21", "/data", pictures="network").attach(engine)
    engine.run(numbers.split(500))
    return folder / "report.html"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_report(tmp_path_factory.mktemp("small"), 60, 32)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_report(tmp_path_factory.mktemp("large"), 10_000, 16)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


class Reader:
    """Who reads one page."""

    def __init__(self, driver: Any, page: Path) -> None:
        self.driver = driver
        driver.get_log("browser"), driver.get_log("performance")
        driver.get(page.as_uri())

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def do(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def order(self) -> list[int]:
        """Numbers of the images in view, in reading order."""
        return self.do(
            "return [...document.querySelectorAll('.item')].sort((a, b) => a.dataset.place - b.dataset.place)"
            ".map((item) => Number(item.dataset.image))"
        )

    def focused(self) -> str:
        return self.do("return document.activeElement.getAttribute('aria-label')") or ""

    def sort(self, label: str) -> Any:
        return next(button for button in self.all("#sorts button") if button.text.startswith(label))

    def ground(self) -> int:
        red = self.do("return getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").split(",")[0]
        return int(red)


@pytest.fixture
def reader(chromium: Any, small: Path) -> Iterator[Reader]:
    reader = Reader(chromium, small)
    yield reader
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    complaints = chromium.get_log("browser")
    assert not complaints
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}, "the page asked the network"
    assert len([url for url in asked if url.startswith("file:")]) == 1


@needs_browser
def test_doubtful_images_come_first_and_order_follows_click_and_key(reader: Reader) -> None:
    by_confidence = sorted(range(60), key=lambda n: n * 7919 % 60)
    seen = len(reader.order())
    assert seen > 10 and reader.order() == by_confidence[:seen]
    assert reader.one("#status").text == "60 images, lowest confidence first"
    reader.sort("Error").click()
    assert reader.order() == list(range(59, 59 - seen, -1))
    assert reader.one("#status").text == "60 images, highest error first"
    assert reader.sort("Error").get_attribute("aria-pressed") == "true"
    reader.sort("Error").send_keys(Keys.ENTER)
    assert reader.order() == list(range(seen))
    reader.sort("Domain shift").send_keys(Keys.SPACE)
    assert reader.order() == sorted(range(60), key=lambda n: -((n * 104729 + 1) % 60))[:seen]
    assert reader.sort("Confidence").get_attribute("aria-pressed") == "false"
    reader.sort("File order").click()
    assert reader.order() == list(range(seen))


@needs_browser
def test_what_is_withheld_comes_first_and_radii_are_drawn_where_an_image_is_opened(
    chromium: Any, tmp_path: Path
) -> None:
    label = torch.rand(1, 21, 2) * 0.8 + 0.1
    told = torch.tensor([0.9, torch.nan, 0.2, 0.6])[:, None].expand(4, 21)
    found = {"pred": label.expand(4, 21, 2), "confidence": told, "radius": 1 - told, "domain_shift": torch.ones(4)}

    def step(engine: Engine, batch: torch.Tensor) -> dict[str, Any]:
        engine.state.batch = {"image": batch}
        return found

    engine = Engine(step)
    HtmlReport(tmp_path, "hand21", pictures="network").attach(engine)
    engine.run([torch.rand(4, 3, 32, 32)])
    reader = Reader(chromium, tmp_path / "report.html")
    assert reader.order() == [1, 2, 3, 0], "nobody knows how wrong it is: that comes before what is known to be bad"
    assert "confidence withheld, radius withheld" in reader.one(".item[data-place='0'] .card").get_attribute(
        "aria-label"
    )
    assert len(reader.all(".item[data-place='0'] .mark.doubtful")) == 21
    reader.sort("Radius").click()
    assert reader.order() == [1, 2, 3, 0]
    reader.sort("Radius").click()
    assert reader.order() == [0, 3, 2, 1]
    reader.one(".item[data-place='0'] .card").click()
    assert len(reader.all("#detail .reach")) == 21 and not reader.all("#grid .reach")
    radius, size = reader.do(
        "const points = images[0].points, span = (axis) => Math.max(...points.map((p) => p[axis])) "
        "- Math.min(...points.map((p) => p[axis]));"
        "return [Number(document.querySelector('#detail .reach').getAttribute('r')), Math.max(span(0), span(1))]"
    )
    assert radius == pytest.approx(0.1 * size, rel=1e-3)
    assert [cell.text for cell in reader.all("#detail-columns th")] == ["Landmark", "Confidence", "Radius"]
    assert not chromium.get_log("browser")


@needs_browser
def test_domain_and_name_choose_images(reader: Reader) -> None:
    reader.sort("File order").click()
    reader.one("#domain").send_keys("xray")
    assert reader.order()[:4] == [1, 3, 5, 7] and reader.one("#status").text == "30 of 60 images, file order"
    reader.one("#search").send_keys("sub/0001")
    assert reader.order() == [11, 13, 15, 17, 19]
    reader.one("#search").send_keys("nothing")
    assert reader.order() == [] and reader.one("#none").is_displayed()


@needs_browser
def test_pointing_at_a_landmark_names_it(reader: Reader) -> None:
    reader.sort("Error").click()
    mark = reader.all(".item[data-place='8'] .mark")[4]
    ActionChains(reader.driver).move_to_element(mark).perform()
    tip = reader.one("#tip")
    image = reader.order()[8]
    assert tip.is_displayed() and tip.text.startswith("thumb tip, confidence ")
    assert f"confidence {100 * (image * 7919 % 60) / 60:.0f} %" in tip.text and "error " in tip.text
    ActionChains(reader.driver).move_to_element(reader.one("h1")).perform()
    assert not tip.is_displayed()


@needs_browser
def test_the_keyboard_reaches_every_image_and_every_landmark(reader: Reader) -> None:
    reader.one("#marks").send_keys(Keys.TAB)  # to the legend
    reader.press(Keys.TAB)
    order = sorted(range(60), key=lambda n: n * 7919 % 60)
    columns = reader.do("return grid.columns")

    def image() -> int:
        return int(reader.do("return document.activeElement.closest('.item').dataset.image"))

    assert image() == order[0]
    assert reader.do("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key, place in (
        (Keys.ARROW_RIGHT, 1),
        (Keys.ARROW_DOWN, 1 + columns),
        (Keys.ARROW_LEFT, columns),
        (Keys.ARROW_UP, 0),
        (Keys.ARROW_UP, 0),
        (Keys.END, 59),
        (Keys.ARROW_RIGHT, 59),
        (Keys.HOME, 0),
    ):
        reader.press(key)
        assert image() == order[place]
    reader.press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert reader.one("#detail").is_displayed()
    reached = []
    for _ in HAND21:
        reached.append(reader.focused().split(",")[0].replace(" ", "_"))
        assert reader.one("#tip").text.split(",")[0].replace(" ", "_") == reached[-1]
        reader.press(Keys.ARROW_RIGHT)
    assert sorted(reached) == sorted(HAND21)
    reader.do("document.dispatchEvent(new Event('scroll'))")  # a late one, of the page behind
    assert reader.one("#tip").is_displayed()
    name = reader.one("#detail-name").text
    reader.press(Keys.PAGE_DOWN)
    assert reader.one("#detail-name").text != name
    reader.press(Keys.ESCAPE)
    assert not reader.one("#detail").is_displayed() and image() == order[2]


@needs_browser
def test_labels_are_rings_at_their_place(reader: Reader) -> None:
    reader.sort("Error").click()
    image = reader.do("return images[Number(document.querySelector('.item').dataset.image)]")
    rings, dots = reader.all(".item:first-child .label"), reader.all(".item:first-child .mark")
    assert len(rings) == len(dots) == 21
    for marks, key in ((rings, "labels"), (dots, "points")):
        drawn = [[float(mark.get_attribute(axis)) for axis in ("cx", "cy")] for mark in marks]
        assert drawn == image[key]
    box, ring = reader.one(".item:first-child .picture").rect, rings[5].rect
    for axis, side, index in (("x", "width", 0), ("y", "height", 1)):
        middle = (ring[axis] + ring[side] / 2 - box[axis]) / box[side]
        assert middle == pytest.approx((image["labels"][5][index] + 0.5) / 32, abs=0.01)
    reader.one("#marks").click()
    assert not rings[0].is_displayed()


@needs_browser
def test_dark_follows_the_system_and_the_button(reader: Reader) -> None:
    def system(value: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": value}]
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("light")
    assert reader.ground() > 200
    system("dark")
    assert reader.ground() < 60
    reader.one(".plots summary").click()
    text = reader.one(".plots svg text")
    assert text.is_displayed() and int(text.value_of_css_property("fill").split("(")[1].split(",")[0]) > 200
    reader.one("#theme").click()
    assert reader.ground() > 200 and reader.one("#theme").text == "Dark page"
    assert int(text.value_of_css_property("fill").split("(")[1].split(",")[0]) < 60
    assert len(reader.all(".plots svg")) == 5


@needs_browser
def test_a_hostile_name_is_only_text(reader: Reader) -> None:
    reader.one("#search").send_keys("onerror")
    assert reader.order() == [3] and reader.driver.title == "Landmark report"
    assert reader.one(".card .name").get_attribute("title") == HOSTILE
    assert all(str(img.get_attribute("src")).startswith("data:image/webp") for img in reader.all("img"))


@needs_browser
@pytest.mark.long
def test_of_ten_thousand_images_only_those_in_view_are_drawn(chromium: Any, large: Path) -> None:
    reader = Reader(chromium, large)
    assert reader.one("#status").text == "10,000 images, lowest confidence first"
    shown = {}
    for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
        reader.driver.execute_async_script(
            f"scrollTo(0, {place}); const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()));"
        )
        shown[place] = set(reader.order())
        assert 0 < len(reader.all("img")) == len(reader.all(".card")) < 80
        assert reader.do("return [...document.images].every((image) => image.src.length > 60)")
        tops = reader.do("return [...document.querySelectorAll('.card')].map((c) => c.getBoundingClientRect().top)")
        assert any(0 <= top < 600 for top in tops), "nothing is in view"
    first, middle, last = shown.values()
    assert not first & middle and not middle & last
    assert max(range(10_000), key=lambda n: n * 7919 % 10_000) in last
    reader.sort("Error").click()
    assert 9_999 in reader.order() and reader.do("return scrollY") < 300
    reader.all(".card")[0].send_keys(Keys.END)
    assert 0 in reader.order() and len(reader.all("img")) < 80
    assert not chromium.get_log("browser")


def run_bundle(root: Path, *files: str, **overrides: Any) -> None:
    workflow = ConfigWorkflow(
        config_file=[str(CONFIGS / name) for name in files],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(root),
        **{"write_report": True, **overrides},
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def test_inference_and_evaluation_write_it_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    write_synthetic_dataset(tmp_path / "data", "photo", 12, image_size=64)
    torch.manual_seed(0)
    network = LandmarkRegressor("lenet", head="heatmap", normalize_input=True)
    TrainedModel(network, "hand21").save(tmp_path / "models")
    images = tmp_path / "data" / "images"
    found = tmp_path / "eval" / "report.html"
    run_bundle(tmp_path, "inference.json", dataset_dir=str(images), write_report=False)
    run_bundle(tmp_path, "train.json", "evaluate.json", write_report=False)
    assert not found.exists() and (tmp_path / "eval" / "metrics.json").exists()

    run_bundle(tmp_path, "inference.json", dataset_dir=str(images))
    page = found.read_text(encoding="utf-8")
    assert page.count('"labels":null') == 12 and '"sorts": []' in page
    run_bundle(tmp_path, "train.json", "evaluate.json")
    page = found.read_text(encoding="utf-8")
    assert '"labels":[[' in page and [s["key"] for s in _settings(page)["sorts"]] == ["error"]

    # The flow's classes are those of its weights, whatever the data at hand are divided into.
    shutil.rmtree(tmp_path / "models")
    model = TrainedModel(network, "hand21", FlowPrior((64, 64), 3, 2))
    calibration = ScoreCalibration(
        ErrorModel((-3.0, -1.0, 0.0, -1.0, 0.0), (-1.0, 0.5, 0.5, 0.5, 0.0)),
        0.1,
        bits_mean=5.0,
        bits_std=0.5,
        weights=model.weights_hash,
        flow_weights=model.flow_hash,
        copies=model.calibrated_for,
    )
    TrainedModel(network, "hand21", model.flow, calibration).save(tmp_path / "models")
    for files, options in ((("inference.json",), {"dataset_dir": str(images)}), (("train.json", "evaluate.json"), {})):
        run_bundle(tmp_path, *files, **options)
        keys = [sort["key"] for sort in _settings(found.read_text(encoding="utf-8"))["sorts"]]
        # The confidence is one of refined landmarks; evaluation looks once.
        assert keys == (["confidence", "radius", "shift"] if len(files) == 1 else ["shift", "error"])
    run_bundle(
        tmp_path,
        "train.json",
        "evaluate.json",
        **{"validate#inferer": {"_target_": "monai_degia.SelfConsistentInferer", "num_views": 4}},
    )
    # Nothing was fitted for these copies.
    assert [sort["key"] for sort in _settings(found.read_text(encoding="utf-8"))["sorts"]] == ["shift", "error"]


def _settings(page: str) -> dict[str, Any]:
    return json.loads(page.split('id="settings">')[1].split("</script>")[0])
