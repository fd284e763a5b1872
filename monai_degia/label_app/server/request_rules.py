"""What a request must be before MONAI Label sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from monai_degia.label_app.server.refusals import RefusedRequest

__all__ = ["RequestRules", "check_plain_name", "json_object"]

_PLAIN = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}")
_KINDS = {"infer": "model", "train": "trainer", "batch": "model", "activelearning": "strategy", "scoring": "method"}
_IMAGES = ("image", "id", "label")  # MONAI Label's names for the id of an image


def check_plain_name(what: str, name: str) -> None:
    """Refuse a name that could lead out of a folder.

    Raises:
        RefusedRequest: 400 unless the name has 1 to 200 characters, does not start with a dot and holds neither slash
            nor control character.

    """
    if not _PLAIN.fullmatch(name):
        raise RefusedRequest(f"{what} must be a plain name without slashes or a leading dot, got {name[:80]!r}.", 400)


def json_object(what: str, text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RefusedRequest: 400 if the text is something else.

    """
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise RefusedRequest(f"{what} is not valid JSON: {error}.", 400) from None
    if not isinstance(content, dict):
        raise RefusedRequest(f"{what} must be a JSON object, got {text[:80]!r}.", 400)
    return content


@dataclass(frozen=True)
class RequestRules:
    """The rules; what they need to know of the app comes as functions and tables.

    Args:
        names: what may follow ``/infer/``, ``/train/``, ``/batch/infer/``, ``/activelearning/`` and ``/scoring/``.
        has_image: whether an image is in the data store.
        check_training: refuses a training that cannot be done, given its options.
        max_body: largest body in bytes.

    """

    names: Mapping[str, Collection[str]]
    has_image: Callable[[str], bool]
    check_training: Callable[[Mapping[str, Any]], None]
    max_body: int

    def check_head(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Refuse by address and headers alone.

        Raises:
            RefusedRequest: 400 for names that are no plain names, 404 for unknown ones, 405, 411 or 413 for what is not
                taken at all.

        """
        kind, *rest = path.strip("/").split("/")
        if kind in _KINDS and method == "POST" and rest:
            self._check_known(kind, rest[-1] if kind == "batch" else rest[0])
        if kind == "model" and method in ("PUT", "DELETE"):
            raise RefusedRequest("Weights come from training; they cannot be put or deleted here.", 405)
        if query.get("uncompress", "").lower() not in ("", "false", "0") or query.get("output") == "dicom_seg":
            raise RefusedRequest("Neither archives nor DICOM segmentations are served; send one image.", 400)
        adds_image = method == "PUT" and path.rstrip("/") in ("/datastore", "/datastore/image")
        for name in (*_IMAGES, "tag", "session_id"):
            if query.get(name):
                check_plain_name(name, query[name])
                if name in _IMAGES and not adds_image and not self.has_image(query[name]):
                    raise RefusedRequest(f"There is no image {query[name]!r}. /datastore/?output=all lists them.", 404)
        self._check_length(headers)

    def check_body(self, path: str, query: Mapping[str, str], form: Mapping[str, str], files: Collection[str]) -> None:
        """Refuse a multipart body: its text fields must be JSON objects, and there must be an image to infer on.

        Raises:
            RefusedRequest: 400.

        """
        fields = {name: json_object(name, form[name]) for name in ("params", "info") if name in form}
        if "image" in fields.get("params", {}):
            raise RefusedRequest("Name the image in the address (?image=ID), not in params.", 400)
        if path.startswith("/infer") and not (query.get("image") or query.get("session_id") or "file" in files):
            raise RefusedRequest("There is no image: name one (?image=ID), or send a file.", 400)

    def check_options(self, path: str, text: str) -> None:
        """Refuse a JSON body.

        Raises:
            RefusedRequest: 400 if it is no object, or names images that are no plain names; 4xx of ``check_training``.

        """
        options = json_object("The body", text if text.strip() != "null" else "")
        images = options.get("images")
        for image in images if isinstance(images, list) else ():
            check_plain_name("images", str(image))
        if path.startswith("/train"):
            self.check_training(options)

    def _check_known(self, kind: str, name: str) -> None:
        known = self.names.get(kind, ())
        if name not in known:
            there = ", ".join(known) or "there is none"
            raise RefusedRequest(f"There is no {_KINDS[kind]} {name[:80]!r}. Available: {there}.", 404)

    def _check_length(self, headers: Mapping[str, str]) -> None:
        if "chunked" in headers.get("transfer-encoding", ""):
            raise RefusedRequest("Send the body with a Content-Length, not in chunks.", 411)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.max_body:
            raise RefusedRequest(f"The body has {length} bytes, more than {self.max_body}. Reduce the image.", 413)
