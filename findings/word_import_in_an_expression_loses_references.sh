#!/usr/bin/env bash
# Guess: what "$monai.inferers..." or any other expression of a bundle config calls has no part in how its references are
# read. So MONAI's own compute_importance_map, the weights of a sliding window, can be given "@roi_size" there as any
# other function can.
#
# Found with MONAI 1.6.1 (torch 2.13.0): an expression with the letters "import" anywhere in it ("importance",
# "important_keys", a key of a dictionary) is parsed as Python before its references are replaced, to see whether it is
# an import. "@" is no name there, so it ends in a SyntaxError, though the same expression without that word works, and
# the one with it works as long as nothing is referred to. The way out is to hide the word behind a name of one's own: an
# import entry "$from monai.data.utils import compute_importance_map as blend_map", then "$blend_map(@roi_size)".
#
# Output seen:
#   a plain function: [4, 4]
#   compute_importance_map: SyntaxError: invalid syntax
#   compute_importance_map without a reference: [4, 4]
#   the word in a text: SyntaxError: invalid syntax
#   under another name: [4, 4]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4
"$folder/venv/bin/python" -W ignore - <<'PY'
from monai.bundle import ConfigParser

NAMED = {
    "a plain function": "$torch.zeros(@roi_size)",
    "compute_importance_map": "$monai.data.utils.compute_importance_map(@roi_size)",
    "compute_importance_map without a reference": "$monai.data.utils.compute_importance_map((4, 4))",
    "the word in a text": "$torch.zeros({'important': @roi_size}['important'])",
    "under another name": "$blend_map(@roi_size)",
}
config = {
    "imports": [
        "$import torch",
        "$import monai.data.utils",
        "$from monai.data.utils import compute_importance_map as blend_map",
    ],
    "roi_size": [4, 4],
}
found = {}
for name, expression in NAMED.items():
    parser = ConfigParser({**config, "weights": expression})
    try:
        found[name] = str(list(parser.get_parsed_content("weights").shape))
    except Exception as error:
        while not isinstance(error, SyntaxError) and error.__cause__ is not None:
            error = error.__cause__
        found[name] = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    print(f"{name}: {found[name]}")
wrong = "SyntaxError: invalid syntax"
assert list(found.values()) == ["[4, 4]", wrong, "[4, 4]", wrong, "[4, 4]"], found
PY
echo "As described."
