"""Bars on a terminal, as its screen shows them: nothing glued, nothing for short work, nothing left behind."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from monai_degia.io.bars import WorkBar, close_bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """Lines as they are seen: a carriage return goes back, and what is written then covers what was there."""
        lines = []
        for row in self.getvalue().split("\n"):
            seen = ""
            for text in row.split("\r"):
                seen = text + seen[len(text) :]
            lines.append(seen.rstrip())
        return lines


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


@contextmanager
def on_terminal() -> Iterator[Terminal]:
    """Both streams of a terminal, and a root logger that writes to it."""
    terminal, root = Terminal(), logging.getLogger()
    handler = logging.StreamHandler(terminal)
    handler.setFormatter(logging.Formatter("log: %(message)s"))
    with redirect_stdout(terminal), redirect_stderr(terminal):
        root.addHandler(handler)
        try:
            yield terminal
        finally:
            close_bars()
            root.removeHandler(handler)


def test_log_lines_stand_alone_above_a_bar_that_goes_away(clock: Clock) -> None:
    with on_terminal() as terminal:
        with WorkBar(total=3, desc="work", ncols=60) as bar:
            clock.now += 2
            bar.update()
            assert terminal.screen()[-1].startswith("work:  33%")
            logging.getLogger("any.name").warning("one")
            assert terminal.screen()[:-1] == ["log: one"] and terminal.screen()[-1].startswith("work:  33%")
            clock.now += 2
            bar.update()
            logging.getLogger("any.name").warning("two")
        assert terminal.screen() == ["log: one", "log: two", ""]
        logging.getLogger("any.name").warning("three")
        assert terminal.screen()[-2:] == ["log: three", ""], "the log is written as before"


def test_work_of_less_than_a_second_has_no_bar(clock: Clock) -> None:
    with on_terminal() as terminal:
        with WorkBar(total=3, desc="work") as bar:
            for _ in range(3):
                clock.now += 0.3
                bar.update()
                logging.getLogger("any.name").warning("line")
        assert "work" not in terminal.getvalue() and terminal.screen() == ["log: line"] * 3 + [""]


def test_a_bar_drawn_by_a_log_line_alone_is_wiped_away(clock: Clock) -> None:
    with on_terminal() as terminal:
        with WorkBar(total=3, desc="work", ncols=60):
            clock.now += 5
            logging.getLogger("any.name").warning("line")
            assert terminal.screen()[-1].startswith("work:   0%")
        assert terminal.screen() == ["log: line", ""]


def test_the_inner_of_two_bars_does_not_end_the_care_for_the_outer(clock: Clock) -> None:
    with on_terminal() as terminal, WorkBar(total=2, desc="outer", ncols=60) as outer:
        with WorkBar(total=2, desc="inner", ncols=60):
            pass
        clock.now += 2
        outer.update()
        logging.getLogger("any.name").warning("line")
        assert terminal.screen()[0] == "log: line"


def test_a_message_that_ends_the_process_finds_no_bar(clock: Clock) -> None:
    with on_terminal() as terminal:
        bar = WorkBar(total=2, desc="work", ncols=60)
        clock.now += 2
        bar.update()
        close_bars()
        print("error: what happened", file=sys.stderr)
        assert terminal.screen() == ["error: what happened", ""]


def test_a_pipe_gets_no_bar(clock: Clock) -> None:
    with redirect_stderr(io.StringIO()) as pipe:
        for _ in WorkBar(range(3), desc="work"):
            clock.now += 2
    assert pipe.getvalue() == ""
