"""The command line: one command for each thing that users do, thin over the bundle's configs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import monai_degia
from monai_degia.cli import conversion, prediction, serving, training
from monai_degia.cli.console import warnings_to_log
from monai_degia.cli.options import Command, overrides_of, split_entries
from monai_degia.engines.errors import show_short_errors

__all__ = ["COMMANDS", "command_line"]

COMMANDS: tuple[Command, ...] = (
    *training.COMMANDS,
    *prediction.COMMANDS,
    *conversion.COMMANDS,
    *serving.COMMANDS,
)
_CONFIG = (
    "Entries of the bundle's configs are options, too: --max_epochs 5, --network_def::backbone densenet. A misspelt "
    "one is an error."
)


def command_line(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names.

    Args:
        arguments: default: those of the process.

    """
    show_short_errors()
    warnings_to_log()
    parser = argparse.ArgumentParser(
        prog="monai_degia", description="Landmark networks that work on image domains which nobody could label."
    )
    parser.add_argument("--version", action="version", version=f"monai_degia {monai_degia.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    parsers = {}
    for command in COMMANDS:
        epilog = _CONFIG if command.takes_config else None
        # An abbreviation would take what is meant for a config: --form for --format.
        own = subparsers.add_parser(
            command.name, help=command.help, description=f"{command.help}.", epilog=epilog, allow_abbrev=False
        )
        command.add_options(own)
        own.set_defaults(command=command)
        parsers[command.name] = own
    given, entries = list(sys.argv[1:] if arguments is None else arguments), list[str]()
    chosen = next((command for command in COMMANDS if command.name in given[:1]), None)
    if chosen is not None and chosen.takes_config:
        # argparse would take the value of an option that it does not know for LIST.
        actions = parsers[chosen.name]._option_string_actions
        flags = [name for name, action in actions.items() if action.nargs == 0 and action.const is True]
        given, entries = split_entries(given, actions, flags)
    options = parser.parse_args(given)
    options.command.run(options, overrides_of(entries))
