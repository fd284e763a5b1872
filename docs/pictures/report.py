"""Make report_light.png and report_dark.png: the report of an evaluation on photographs and radiographs.

Usage: python docs/pictures/report.py DATA, where DATA holds hand_rgb_signdigits and hand_xray_mednist (docs/data.md).
Needs selenium, Chromium and its driver.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from monai.bundle import ConfigWorkflow
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = (
    "bundle/configs/train.json",
    "configs/data/hands.yaml",
    "bundle/configs/evaluate.json",
    "configs/run/as_inference.yaml",
)
FEW = "$monai_degia.merge_datalists(@splits[2][::7], @unseen_lists[1][::300])"


def write_report(data: Path, folder: Path) -> Path:
    """Evaluate the weights of the bundle on a few images."""
    workflow = ConfigWorkflow(
        config_file=[str(ROOT / name) for name in CONFIGS],
        workflow_type="train",
        logging_file=False,
        dataset_dir=str(data),
        ckpt_dir=str(ROOT / "bundle" / "models"),
        output_dir=str(folder),
        evaluation_list=FEW,
        write_report=True,
    )
    workflow.initialize()
    workflow.run()
    return folder / "report.html"


def open_browser(scheme: str) -> webdriver.Chrome:
    """Chromium without a window, 1280 x 780."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    browser = webdriver.Chrome(options, webdriver.ChromeService(executable_path=shutil.which("chromedriver")))
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": 1280, "height": 780, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return browser


def save(browser: webdriver.Chrome, path: Path) -> None:
    """What the browser shows; the last two bits of each colour are left out, which halves the file."""
    time.sleep(0.5)  # pictures are decoded aside
    browser.save_screenshot(str(path))
    shades = Image.open(path).convert("RGB").point(lambda value: min(255, (value + 2) // 4 * 4))
    shades.save(path, optimize=True)


def main() -> None:
    """Write both pictures beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(Path(sys.argv[1]), Path(folder))
        for scheme in ("light", "dark"):
            browser = open_browser(scheme)
            try:
                browser.get(page.as_uri())
                if scheme == "dark":
                    card = browser.find_elements(By.CSS_SELECTOR, ".card")[1]
                    card.send_keys(Keys.ENTER)
                save(browser, Path(__file__).with_name(f"report_{scheme}.png"))
            finally:
                browser.quit()


if __name__ == "__main__":
    main()
