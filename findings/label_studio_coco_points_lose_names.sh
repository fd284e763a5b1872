#!/usr/bin/env bash
# Guess: key points go from COCO into Label Studio and back by its own converter as they are: names, which of them are
# labelled, and places to a small part of a pixel, since Label Studio keeps per cent as floating point numbers.
#
# Found with label-studio-sdk 2.1.2: on the way in, every point is labelled with the name of its category and none with
# its own, and a point that is not labelled (v = 0) becomes a hidden point in the corner of the picture. On the way out,
# places are rounded to whole pixels, v = 1 becomes v = 2, and the corner of the first pixel stays 0, where COCO's key
# points count from its centre. A reader of such a file must refuse the repeated names, and take off half a pixel.
#
# Output seen:
#   in: [('hand', 5.0, 20.0, False), ('hand', 15.0, 40.0, True), ('hand', 0.0, 0.0, True)]
#   out: [10, 21, 2, 31, 41, 2, 0, 0, 0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet label-studio-sdk==2.1.2
cd "$folder"
cat > run.py <<'PY'
import json
from pathlib import Path

from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.imports.coco import convert_coco_to_ls

names = ["wrist", "thumb", "tip"]
coco = {
    "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
    "categories": [{"id": 1, "name": "hand", "keypoints": names}],
    "annotations": [
        {
            **{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]},
            "keypoints": [10, 20, 2, 30, 40, 1, 0, 0, 0],
        }
    ],
}
Path("coco.json").write_text(json.dumps(coco))
convert_coco_to_ls("coco.json", "tasks.json")
(task,) = json.loads(Path("tasks.json").read_text())
values = [r["value"] for r in task["annotations"][0]["result"] if r["type"] == "keypointlabels"]
found = [(*value["keypointlabels"], value["x"], value["y"], value.get("hidden", False)) for value in values]
print("in:", found)
assert found == [("hand", 5.0, 20.0, False), ("hand", 15.0, 40.0, True), ("hand", 0.0, 0.0, True)], found

size = {"original_width": 200, "original_height": 100}
points = [("wrist", 10.4, 20.6, False), ("thumb", 30.6, 40.6, True)]
result = [
    {
        **{"id": name, "type": "keypointlabels", "from_name": "points", "to_name": "image", **size},
        "value": {"x": x / 2, "y": y, "width": 1, "keypointlabels": [name], "hidden": hidden},
    }
    for name, x, y, hidden in points
]
task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "completed_by": 1, "result": result}]}
Path("points.json").write_text(json.dumps([task]))
labels = "".join(f'<Label value="{name}" model_index="{index}"/>' for index, name in enumerate(names))
config = f'<View><Image name="image" value="$image"/><KeyPointLabels name="points" toName="image">{labels}</KeyPointLabels></View>'
Converter(config, project_dir=".", upload_dir=".", download_resources=False).convert_to_coco("points.json", "out", is_dir=False)
(annotation,) = json.loads(Path("out/result.json").read_text())["annotations"]
print("out:", annotation["keypoints"])
assert annotation["keypoints"] == [10, 21, 2, 31, 41, 2, 0, 0, 0], annotation
PY
"$folder/venv/bin/python" -W ignore run.py 2>/dev/null | grep -E "^(in|out):" >seen
cat seen
test "$(wc -l <seen)" -eq 2
echo "As described."
