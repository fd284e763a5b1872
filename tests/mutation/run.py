"""Mutation tests by mutmut: which of our modules' mutants the tests that belong to them catch.

mutmut reads one configuration for a whole project and knows one selection of tests. Here each module gets a folder of
its own in ``runs/mutation``, with links to the checkout and the tests that belong to the module alone.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "runs" / "mutation"
SEED = 0
PRELOAD = ("torch", "torchvision", "monai.bundle", "monai.engines", "ignite.handlers", "scipy.optimize", "pytest")
LINKS = ("monai_degia", "tests", "bundle", "configs", "setup.py")


def unit(folder: str, *names: str) -> list[str]:
    """Files of unit tests in one folder."""
    return [f"tests/unit/{folder}/test_{name}.py" for name in names]


BIJECTIONS = "tests/properties/test_bijections.py"
#: Module to the tests that must catch its mutants: those written for it, and not all that happen to pass through it.
TESTS = {
    "monai_degia/data/pool/seeds.py": unit("data/pool", "seeds"),
    "monai_degia/data/pool/sampler.py": unit("data/pool", "sampler"),
    "monai_degia/data/pool/pool.py": unit("data/pool", "pool", "growing"),
    "monai_degia/data/pool/growing.py": unit("data/pool", "growing"),
    "monai_degia/flows/bijections.py": [*unit("flows", "bijection_parts"), BIJECTIONS],
    "monai_degia/flows/haar.py": [*unit("flows", "wavelet_flow"), BIJECTIONS],
    "monai_degia/flows/slice_coupling.py": [*unit("flows", "wavelet_flow"), BIJECTIONS],
    "monai_degia/flows/prior.py": unit("flows", "prior"),
    "monai_degia/losses/degia.py": unit("losses", "degia"),
    "monai_degia/losses/objective.py": unit("losses", "objective", "peer_objectives"),
    "monai_degia/ascent/gradient_ascent.py": ["tests/properties/test_ascent.py"],
    "monai_degia/ascent/appearance.py": unit("ascent", "parametrization", "appearance", "volumes"),
    "monai_degia/metrics/errors.py": [*unit("metrics", "errors", "volumes"), "tests/properties/test_metrics.py"],
    "monai_degia/metrics/conformal.py": unit("metrics", "conformal"),
    "monai_degia/engines/checkpoints.py": unit(
        "engines", "best_model", "run_checkpoint", "checkpoint_layout", "run_folder"
    ),
    "monai_degia/engines/handlers.py": unit("engines", "seeds", "augmented_batch", "run_checkpoint", "two_phases"),
    "monai_degia/engines/maximizer.py": unit("engines", "round_sampler", "seeds", "augmented_batch", "two_phases"),
}


def main() -> None:
    """Run the modules asked for, print the share that was killed and the mutants that were not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"files; default: all {len(TESTS)} of the table")
    parser.add_argument("--sample", type=int, default=0, help=f"mutants a module, drawn with seed {SEED}; 0: all")
    parser.add_argument("--only", nargs="*", default=[], help="names of mutants, as a run before has printed them")
    parser.add_argument("--results", type=Path, help="JSON file to put the figures into, beside those of other modules")
    args = parser.parse_args()
    unknown = sorted(set(args.modules) - set(TESTS))
    if unknown:
        parser.error(f"no tests are named for {', '.join(unknown)}; there are: {', '.join(TESTS)}")
    # One thread: forks of a process whose threads compute would wait for threads that they lack.
    os.environ["OMP_NUM_THREADS"] = "1"
    for library in PRELOAD:
        importlib.import_module(library)
    stopped = False
    for module in args.modules or TESTS:
        if os.fork() == 0:
            test_module(module, args.sample, args.only, args.results and args.results.resolve())
            os._exit(0)
        if os.wait()[1]:
            stopped = True
            print(f"{module}: mutmut stopped, see {work_folder(module) / 'log.txt'}", file=sys.stderr, flush=True)
    sys.exit(int(stopped))


def test_module(module: str, sample: int, only: list[str], results: Path | None) -> None:
    """Mutate one file, run its tests against the mutants, and print what came of it."""
    folder = work_folder(module)
    prepare(folder, module)
    os.chdir(folder)
    every = mutant_names(module)
    names = [name for name in every if not only or name in only]
    if not names:
        return
    if 0 < sample < len(names):
        names = sorted(random.Random(f"{SEED} {module}").sample(names, sample))
    with output_to(folder / "log.txt"):
        from mutmut.__main__ import cli

        cli(["run", "--max-children", "1", *names], standalone_mode=False)
    figures = report(module, names, len(every))
    if results is not None:
        kept = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
        kept[module] = figures
        results.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", encoding="utf-8")


def work_folder(module: str) -> Path:
    """Where a module's mutants are."""
    return WORK / module.removesuffix(".py").replace("/", ".")


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Send all that this process and its children print to a file."""
    kept = [os.dup(1), os.dup(2)]
    with path.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        try:
            yield
        finally:
            sys.stdout.flush()
            for stream, before in zip((1, 2), kept, strict=True):
                os.dup2(before, stream)


def prepare(folder: Path, module: str) -> None:
    """A fresh folder that looks like the checkout to mutmut, but for the configuration."""
    import tomllib  # Python 3.11 and later; the package itself runs on 3.10

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in LINKS:
        (folder / name).symlink_to(ROOT / name)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    mutmut = {**tools["mutmut"], "only_mutate": [module], "pytest_add_cli_args_test_selection": TESTS[module]}
    tables = {"tool.pytest.ini_options": tools["pytest"]["ini_options"], "tool.mutmut": mutmut}
    lines = []
    for title, table in tables.items():
        # Strings, numbers, booleans and lists of strings are written alike in JSON and TOML.
        lines += [f"[{title}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mutant_names(module: str) -> list[str]:
    """Names of all mutants of a module, in order."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    mutated = mutate_file_contents(module, Path(module).read_text(encoding="utf-8"))
    return [get_mutant_name(Path(module), name) for name in mutated.mutant_names]


def report(module: str, names: list[str], total: int) -> dict[str, int]:
    """Print the figures of a module and the difference that each survivor makes; return the figures."""
    mutmut = Path(sys.executable).with_name("mutmut")
    listed = subprocess.run([mutmut, "results"], check=True, capture_output=True, text=True).stdout
    verdicts = dict(line.strip().rsplit(": ", 1) for line in listed.splitlines() if ": " in line)
    found = [verdicts.get(name, "killed") for name in names]
    # What never ends is noticed, too.
    figures = {
        "mutants": total,
        "tested": len(names),
        "killed": found.count("killed") + found.count("timeout"),
        "of them by the time limit": found.count("timeout"),
    }
    print(module, *(f"{name}: {value}" for name, value in figures.items()), sep="  ", flush=True)
    for name, verdict in zip(names, found, strict=True):
        if verdict not in ("killed", "timeout"):
            shown = subprocess.run([mutmut, "show", name], check=True, capture_output=True, text=True)
            print(f"--- {verdict}", shown.stdout, sep="\n", flush=True)
    return figures


def table(results: dict[str, dict[str, int]]) -> str:
    """The figures as they stand in docs/quality.md."""
    rows = ["| module | mutants | tested | killed | share |", "|---|---|---|---|---|"]
    for module in TESTS:
        name = module.removeprefix("monai_degia/")
        if module in results:
            total, tested, killed = (results[module][key] for key in ("mutants", "tested", "killed"))
            rows.append(f"| `{name}` | {total} | {tested} | {killed} | {killed / tested:.0%} |")
        else:
            rows.append(f"| `{name}` | | not yet | | |")
    tested, killed = (sum(figures[key] for figures in results.values()) for key in ("tested", "killed"))
    return "\n".join([*rows, f"| together | | {tested} | {killed} | {killed / tested:.0%} |"])


if __name__ == "__main__":
    main()
