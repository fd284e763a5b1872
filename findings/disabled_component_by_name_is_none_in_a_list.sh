#!/usr/bin/env bash
# Guess: in a bundle config a component with "_disabled_": true vanishes from a list, whether it stands there itself or
# is named there by "@id". So a long list of handlers may be split into named entries that can be switched off one by one.
#
# Found with MONAI 1.6.1 (torch 2.13.0): only the one that stands there itself vanishes. The one that is named comes out
# as None, and an engine that gets the list fails on it (AttributeError on attach). Keep components that are to be
# switched off inside the list, or filter the list in an expression.
#
# Output seen:
#   inline: ['EarlyStopHandler']
#   named: ['NoneType', 'EarlyStopHandler']
#   engine: 'NoneType' object has no attribute 'attach'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4 pytorch-ignite==0.5.3
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from monai.bundle import ConfigParser
from monai.engines import SupervisedEvaluator

disabled = {"_target_": "GarbageCollector", "_disabled_": True}
kept = {"_target_": "EarlyStopHandler", "patience": 3, "score_function": "$lambda engine: 0.0"}
parser = ConfigParser({"collector": disabled, "inline": [disabled, kept], "named": ["@collector", kept]})
found = {name: [type(entry).__name__ for entry in parser.get_parsed_content(name)] for name in ("inline", "named")}
for name, kinds in found.items():
    print(f"{name}: {kinds}")
assert found == {"inline": ["EarlyStopHandler"], "named": ["NoneType", "EarlyStopHandler"]}, found
try:
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[],
        network=torch.nn.Identity(),
        val_handlers=parser.get_parsed_content("named")[:1],
    )
except AttributeError as error:
    print("engine:", error)
    assert "attach" in str(error)
else:
    raise SystemExit("the engine took a list with None")
PY
echo "As described."
