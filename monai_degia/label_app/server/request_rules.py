"""What a request must be before MONAI Label sees it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai_degia.errors import UserError
from monai_degia.io.plain_json import parse_json
from monai_degia.label_app.server.refusals import RefusedRequest

__all__ = ["RequestRules", "check_plain_name", "json_object"]

_PLAIN = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}")
_KINDS = {"infer": "model", "train": "trainer", "batch": "model", "activelearning": "strategy", "scoring": "method"}
_CHOICES = {**_KINDS, "train": "model"}  # what a body calls them, which MONAI Label believes more than the address
_IMAGES = ("image", "id", "label")  # MONAI Label's names for the id of an image
_LONGEST = 200  # bytes of a name; a file system takes 255, and endings are added
_JSON = 16 << 20  # bytes of a body of JSON
_HASHES = ("MD5", "SHA256", "SHA512")  # of MONAI Label's check_sum
_KEPT = {"doubt", "strategy"}  # of an image, by the strategies, which trust what they find there
_MANY = 1_000_000
_BATCH = ("max_workers", "max_batch_size")  # numbers in the body of a batch


def check_plain_name(what: str, name: str) -> None:
    """Refuse a name that could lead out of a folder.

    Raises:
        RefusedRequest: 400 unless the name has 1 to 200 bytes in UTF-8, does not start with a dot and holds neither
            slash nor control character.

    """
    if not _PLAIN.fullmatch(name):
        raise RefusedRequest(f"{what} must be a plain name without slashes or a leading dot, got {name[:80]!a}.", 400)
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST or not name.isprintable():
        raise RefusedRequest(f"{what} must be printable and have at most {_LONGEST} bytes, got {name[:80]!a}.", 400)


def json_object(what: str, text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RefusedRequest: 400 if the text is something else.

    """
    try:
        content = parse_json(text or "{}")
    except UserError as error:
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
        has_labels: whether any image has a label.
        has_proxy: whether the studies are those of a DICOMweb server, which requests can be passed on to.

    """

    names: Mapping[str, Collection[str]]
    has_image: Callable[[str], bool]
    check_training: Callable[[Mapping[str, Any]], None]
    max_body: int
    has_labels: Callable[[], bool] = lambda: True
    has_proxy: bool = False

    def check_head(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Refuse by address and headers alone.

        Raises:
            RefusedRequest: 400 for names that are no plain names, 404 for unknown ones, 405, 409, 411, 413 or 415 for
                what is not taken at all.

        """
        for part in (path, *query, *query.values()):
            if "\x00" in part or "\ufffd" in part or not _is_text(part):
                raise RefusedRequest("The address must be text in UTF-8 without zeros.", 400)
        kind, *rest = path.strip("/").split("/")
        if kind in _KINDS and method == "POST" and rest:
            self._check_known(kind, rest[-1] if kind == "batch" else rest[0])
        if kind == "model" and method in ("PUT", "DELETE"):
            raise RefusedRequest("Weights come from training; they cannot be put or deleted here.", 405)
        self._check_place(kind, rest, path, query)
        if query.get("uncompress", "").lower() not in ("", "false", "0") or query.get("output") == "dicom_seg":
            raise RefusedRequest("Neither archives nor DICOM segmentations are served; send one image.", 400)
        adds_image = method == "PUT" and path.rstrip("/") in ("/datastore", "/datastore/image")
        for name in (*_IMAGES, "tag", "session_id"):
            if query.get(name):
                check_plain_name(name, query[name])
                if name in _IMAGES and not adds_image and not self.has_image(query[name]):
                    raise RefusedRequest(f"There is no image {query[name]!r}. /datastore/?output=all lists them.", 404)
        self._check_length(headers)

    def _check_place(self, kind: str, rest: list[str], path: str, query: Mapping[str, str]) -> None:
        if kind == "session" and rest and rest[0]:
            check_plain_name("session_id", rest[0])
        if {".", ".."} & {*rest}:
            raise RefusedRequest("The address must be one without dots for folders.", 400)
        if path.rstrip("/") == "/reload":
            raise RefusedRequest("Restart the server instead.", 405)
        if kind == "proxy" and not self.has_proxy:
            raise RefusedRequest("There is no DICOMweb server behind this one.", 404)
        if path.rstrip("/") == "/logs/gpu" and shutil.which("nvidia-smi") is None:
            raise RefusedRequest("There is no GPU to tell of.", 404)
        if path.rstrip("/") == "/datastore/dataset" and not self.has_labels():
            raise RefusedRequest("There is no label yet, so there is no data set to download.", 404)
        algorithm, colon, _ = query.get("check_sum", "").partition(":")
        if colon and algorithm not in _HASHES:
            raise RefusedRequest(f"check_sum must be one of {', '.join(_HASHES)} and a colon before the digest.", 400)

    def check_body(
        self,
        path: str,
        query: Mapping[str, str],
        form: Mapping[str, str],
        files: Collection[str],
        file_names: Sequence[str] = (),
    ) -> None:
        """Refuse a multipart body: its text fields must be JSON objects, and there must be an image to infer on.

        Args:
            path: of the address.
            query: of the address.
            form: text fields.
            files: fields that hold a file.
            file_names: names of all files.

        Raises:
            RefusedRequest: 400.

        """
        for name in file_names:
            check_plain_name("The name of a file", name)
            if path.startswith("/session") and name == "meta.info":
                raise RefusedRequest(
                    "meta.info is the name of a session's own file; send the image under another.", 400
                )
        fields = {name: json_object(name, form[name]) for name in ("params", "info") if name in form}
        if kept := sorted(_KEPT & {key for entry in fields.values() for key in entry}):
            raise RefusedRequest(f"{', '.join(kept)} is what the server itself keeps of an image.", 400)
        if path.startswith("/infer") and "label" in files:
            raise RefusedRequest("This model starts from the image alone; send no label.", 400)
        if "image" in fields.get("params", {}):
            raise RefusedRequest("Name the image in the address (?image=ID), not in params.", 400)
        if path.startswith("/infer") and not (query.get("image") or query.get("session_id") or "file" in files):
            raise RefusedRequest("There is no image: name one (?image=ID), or send a file.", 400)

    def check_options(self, path: str, text: str) -> None:
        """Refuse a JSON body.

        Raises:
            RefusedRequest: 400 if it is no object, or names images that are no plain names; 4xx of ``check_training``.

        """
        if len(text) > _JSON:
            raise RefusedRequest(f"A body of JSON may have {_JSON} characters, this one has {len(text)}.", 413)
        options = json_object("The body", text if text.strip() != "null" else "")
        kind = path.strip("/").split("/")[0]
        told = [options]
        if kind in ("train", "scoring"):
            told += [self._own_options(options, name) for name in self.names.get(kind, ()) if name in options]
        for chosen in (entry[_CHOICES[kind]] for entry in told if _CHOICES.get(kind) in entry):
            self._check_known(kind, str(chosen))
        images = options.get("images")
        for image in images if isinstance(images, list) else ():
            check_plain_name("images", str(image))
        if kind == "batch":
            self._check_batch(options)
        if kind == "train":
            self.check_training(options)

    @staticmethod
    def _check_batch(options: Mapping[str, Any]) -> None:
        if not isinstance(options.get("images", "all"), str | list):
            raise RefusedRequest("images must be a list of ids, or one of all, labeled and unlabeled.", 400)
        for name in _BATCH:
            value = options.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MANY:
                raise RefusedRequest(f"{name} must be an integer from 0 to {_MANY}, got {str(value)[:80]!r}.", 400)
        check_plain_name("label_tag", str(options.get("label_tag", "original")))

    @staticmethod
    def _own_options(options: Mapping[str, Any], name: str) -> dict[str, Any]:
        own = options[name]
        if not isinstance(own, dict):
            raise RefusedRequest(f"{name} must be a JSON object of options, got {str(own)[:80]!r}.", 400)
        return own

    def _check_known(self, kind: str, name: str) -> None:
        known = self.names.get(kind, ())
        if name not in known:
            there = ", ".join(known) or "there is none"
            raise RefusedRequest(f"There is no {_KINDS[kind]} {name[:80]!r}. Available: {there}.", 404)

    def _check_length(self, headers: Mapping[str, str]) -> None:
        if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise RefusedRequest("Send the body as it is, without a Content-Encoding.", 415)
        if "chunked" in headers.get("transfer-encoding", ""):
            raise RefusedRequest("Send the body with a Content-Length, not in chunks.", 411)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.max_body:
            raise RefusedRequest(f"The body has {length} bytes, more than {self.max_body}. Reduce the image.", 413)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
