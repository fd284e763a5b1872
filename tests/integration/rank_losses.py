"""Train by the bundle's configs, in one process or under torchrun, and write each rank's losses as JSON.

Arguments: a folder for the file, the config files as a JSON list, overrides as a JSON object, and optionally the epoch
after which the process ends at once, as if it had been killed.
"""

import json
import os
import sys
from pathlib import Path

from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow


def main() -> None:
    """Run, and keep what each iteration gave."""
    folder, files, overrides = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    workflow = ConfigWorkflow(files, workflow_type="train", logging_file=False, **overrides)
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train::trainer")
    rows = []

    def keep(engine: Engine) -> None:
        output = engine.state.output[0]
        bits = output.get("bits_per_dim")
        rows.append([float(output["loss"]), None if bits is None else float(bits)])

    trainer.add_event_handler(Events.ITERATION_COMPLETED, keep)
    if len(sys.argv) > 4:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(once=int(sys.argv[4])), lambda engine: os._exit(0))
    workflow.run()
    weights = sum(float(p.double().abs().sum()) for p in workflow.parser.get_parsed_content("network").parameters())
    evaluator = workflow.parser.get_parsed_content("validate::evaluator")
    rank = os.environ.get("RANK", "0")
    content = {"losses": rows, "weights": weights, "validation": evaluator.state.metrics["val_nme"]}
    (folder / f"rank{rank}.json").write_text(json.dumps(content))
    workflow.finalize()


if __name__ == "__main__":
    main()
