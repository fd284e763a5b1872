"""What other programs make of COCO's key points, told by what their exporters leave in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monai_degia.data.formats.content import Content
from monai_degia.data.formats.objects import LabelledObject, identity, mapping, mappings
from monai_degia.data.formats.wording import listed

__all__ = ["exporter_of", "joined_by_image", "landmark_categories"]


def exporter_of(content: Content) -> str:
    """Who wrote a COCO file, as far as it matters: ``label_studio``, ``datumaro`` or nobody known (empty)."""
    about = mapping(content.value.get("info"))
    if about.get("contributor") == "Label Studio":
        return "label_studio"
    empty = bool(about) and not any(about.values())
    return "datumaro" if empty and content.value.get("licenses") == [{"name": "", "id": 0, "url": ""}] else ""


def landmark_categories(content: Content) -> dict[str, str]:
    """Names of categories by id where each is a landmark of its own; empty where they are not."""
    used = [entry for entry in mappings(content.value["annotations"]) if entry.get("keypoints")]
    ids = dict.fromkeys(identity(entry.get("category_id")) for entry in used)
    categories = {identity(c.get("id")): c for c in mappings(content.value.get("categories"))}
    if len(ids) < 2 or not all(key in categories and not categories[key].get("keypoints") for key in ids):
        return {}
    if not all(isinstance(entry["keypoints"], list) and len(entry["keypoints"]) == 3 for entry in used):
        return {}
    return {key: str(categories[key].get("name")) for key in ids}


def joined_by_image(objects: Sequence[LabelledObject]) -> list[LabelledObject]:
    """One object for the points of an image, of which each is an annotation."""
    joined: dict[str, LabelledObject] = {}
    for number, one in enumerate(objects):
        key = one.image if one.image and not one.problem else f"\0{number}"
        before = joined.get(key)
        if before is None:
            joined[key] = replace(one, fields={k: v for k, v in one.fields.items() if k not in ("bbox", "attributes")})
            continue
        twice = listed([name for name in one.points if name in before.points])
        problem = before.problem or (f"{twice} is set twice" if twice else "")
        points, hidden = {**before.points, **one.points}, before.hidden | one.hidden
        joined[key] = replace(before, points=points, hidden=hidden, problem=problem)
    return list(joined.values())
