#!/usr/bin/env bash
# Guess: Datumaro, which converts CVAT's XML to everything else, leaves out a point of a skeleton that CVAT marks
# outside="1", or marks it as absent; and it puts the points of a skeleton into one object.
#
# Found with datumaro 1.13.12: such a point comes out as one that is visible, wherever the file has it (CVAT writes 0,0
# for one that was never set). The skeleton falls apart into a label and a point each, so that its COCO export has as many
# categories as landmarks, each annotation has one key point without a name, and all are v = 2, the hidden one too. The
# numbers stay those of CVAT, from the corner of the first pixel. Convert from the XML itself.
#
# Output seen:
#   ('tip', [10.5, 20.5, 2])
#   ('wrist', [0.0, 0.0, 2])
#   ('thumb', [30.5, 40.5, 2])
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12 pillow
cd "$folder"
mkdir -p cvat/images
cat > cvat/annotations.xml <<'XML'
<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>hand</name><type>skeleton</type><attributes/></label>
<label><name>tip</name><type>points</type><attributes/><parent>hand</parent></label>
<label><name>wrist</name><type>points</type><attributes/><parent>hand</parent></label>
<label><name>thumb</name><type>points</type><attributes/><parent>hand</parent></label>
</labels></task></meta>
<image id="0" name="a.png" width="64" height="48"><skeleton label="hand" z_order="0">
<points label="tip" outside="0" occluded="0" points="10.50,20.50"></points>
<points label="wrist" outside="1" occluded="0" points="0.00,0.00"></points>
<points label="thumb" outside="0" occluded="1" points="30.50,40.50"></points>
</skeleton></image></annotations>
XML
cat > run.py <<'PY'
import json
from pathlib import Path

from datumaro.components.dataset import Dataset
from PIL import Image

Image.new("L", (64, 48)).save("cvat/images/a.png")
Dataset.import_from("cvat", "cvat").export("coco", "coco_person_keypoints")
(file,) = Path("coco").rglob("*.json")
content = json.loads(file.read_text())
names = {category["id"]: category["name"] for category in content["categories"]}
found = [(names[entry["category_id"]], entry["keypoints"]) for entry in content["annotations"]]
print(*found, sep="\n")
assert found == [("tip", [10.5, 20.5, 2]), ("wrist", [0.0, 0.0, 2]), ("thumb", [30.5, 40.5, 2])], found
PY
"$folder/venv/bin/python" -W ignore run.py
echo "As described."
