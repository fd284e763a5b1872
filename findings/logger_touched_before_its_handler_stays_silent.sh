#!/usr/bin/env bash
# Guess: a filter or a level may be put on the logger of MONAI's StatsHandler before the handler is made, by
# logging.getLogger("monai.handlers.StatsHandler"): loggers are the same object whenever they are asked for.
#
# Found with MONAI 1.6.1 (torch 2.13.0, ignite 0.5.3): the object is the same, but MONAI gives it its stream handler only
# if the name was never asked for, and switches propagation off in any case. A logger that somebody touched first has no
# handler at all and writes nothing: no epoch, no metric, no warning that something is missing. Make the logger by
# monai.apps.utils.get_logger(name) and put the filter on what that returns.
#
# Output seen:
#   untouched: 1 lines with the metric, 1 handlers, propagates False
#   touched first: 0 lines with the metric, 0 handlers, propagates False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4 pytorch-ignite==0.5.3
cat > "$folder/run.py" <<'PY'
import logging
import sys

NAME = "monai.handlers.StatsHandler"
if sys.argv[1] == "touched":
    logging.getLogger(NAME).addFilter(lambda record: True)

from ignite.engine import Engine, Events
from monai.handlers import StatsHandler

engine = Engine(lambda engine, batch: [{"loss": 1.0}])
StatsHandler(iteration_log=False, output_transform=lambda output: None).attach(engine)
engine.add_event_handler(Events.STARTED, lambda: engine.state.metrics.update(mean_error=0.25))
engine.run([0], max_epochs=1)
logger = logging.getLogger(NAME)
print(f"handlers {len(logger.handlers)} propagates {logger.propagate}")
PY
for how in untouched touched; do
    "$folder/venv/bin/python" -W ignore "$folder/run.py" "$how" >"$folder/$how" 2>&1
done
grep -c "mean_error" "$folder/untouched" | grep -qx 1
! grep -q "mean_error" "$folder/touched"
grep -q "handlers 1 propagates False" "$folder/untouched"
grep -q "handlers 0 propagates False" "$folder/touched"
echo "untouched: 1 lines with the metric, 1 handlers, propagates False"
echo "touched first: 0 lines with the metric, 0 handlers, propagates False"
