import sys
import threading
from multiprocessing.pool import ThreadPool

import pytest

import monai_degia
from monai_degia.engines.errors import TRACEBACK_VARIABLE, show_short_errors


@pytest.fixture(autouse=True)
def short_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACEBACK_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def test_other_errors_keep_their_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    show_short_errors()
    shortened = sys.excepthook
    show_short_errors()
    assert sys.excepthook is shortened
    for foreign in (ValueError("of another package"), KeyError("image"), OSError(28, "No space left")):
        try:
            raise foreign
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
        text = capsys.readouterr().err
        assert "Traceback" in text and "error: " not in text.replace("Error: ", "")
    try:
        try:
            monai_degia.landmark_names("hand12")
        except ValueError:
            raise KeyError("image") from None
    except KeyError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv(TRACEBACK_VARIABLE, "1")
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    show_short_errors()
    assert sys.excepthook is sys.__excepthook__


def test_message_is_that_of_the_outermost_error_of_this_package(capsys: pytest.CaptureFixture[str]) -> None:
    show_short_errors()
    try:
        try:
            try:
                monai_degia.landmark_names("hand12")
            except ValueError:
                monai_degia.create_backbone("resnt", 3)
        except ValueError as outer:
            raise RuntimeError("wrapped by a host") from outer
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    text = capsys.readouterr().err
    assert text.startswith("error: ") and "resnet" in text and "hand12" not in text and "Traceback" not in text


def test_threads_that_load_images_end_before_the_process_does(capsys: pytest.CaptureFixture[str]) -> None:
    show_short_errors()
    release, done = threading.Event(), threading.Event()

    def load() -> None:
        release.wait(5)
        done.set()

    pool = ThreadPool(1)
    pool.apply_async(load)
    pool.close()
    threading.Timer(0.2, release.set).start()
    sys.excepthook(ValueError, ValueError("x"), None)
    assert done.is_set()
    pool.join()
