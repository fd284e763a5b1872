"""What is refused before any endpoint sees it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.server.request_rules import RequestRules, check_plain_name


@pytest.fixture
def rules() -> RequestRules:
    def check_training(options: Mapping[str, Any]) -> None:
        if options.get("max_epochs") == 0:
            raise RefusedRequest("no epochs", 409)

    names = {"infer": ["net"], "batch": ["net"], "train": ["net"], "activelearning": ["random"]}
    return RequestRules(names, {"hand", "1.2.3"}.__contains__, check_training, 1000, has_labels=lambda: False)


@pytest.mark.parametrize("name", ["hand", "1.2.840.10008", "Hand 7 (left)", "x" * 200, "\u00e4", "a..b"])
def test_plain_names_pass(name: str) -> None:
    check_plain_name("image", name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/passwd", "a/b", "a\\b", ".hidden", "a\x00", "x" * 201])
def test_names_that_lead_elsewhere_do_not(name: str) -> None:
    with pytest.raises(RefusedRequest, match="must be a plain name") as error:
        check_plain_name("image", name)
    assert error.value.status == 400


HEADS = [
    ("POST", "/infer/other", {"image": "hand"}, {}, 404, "no model 'other'. Available: net"),
    ("POST", "/infer/wsi/net", {"image": "hand"}, {}, 404, "no model 'wsi'"),
    ("POST", "/train/other", {}, {}, 404, "no trainer 'other'"),
    ("POST", "/batch/infer/other", {}, {}, 404, "no model 'other'"),
    ("POST", "/activelearning/best", {}, {}, 404, "no strategy 'best'. Available: random"),
    ("POST", "/scoring/dice", {}, {}, 404, "no method 'dice'. Available: there is none"),
    ("POST", "/infer/net", {"image": "foot"}, {}, 404, "no image 'foot'"),
    ("POST", "/infer/net", {"image": "../hand"}, {}, 400, "image must be a plain name"),
    ("POST", "/infer/net", {"session_id": "../x"}, {}, 400, "session_id must be a plain name"),
    ("POST", "/infer/net", {"image": "hand", "output": "dicom_seg"}, {}, 400, "Neither archives nor"),
    ("PUT", "/session/", {"uncompress": "true"}, {}, 400, "Neither archives nor"),
    ("PUT", "/datastore/label", {"image": "hand", "tag": "../x"}, {}, 400, "tag must be a plain name"),
    ("PUT", "/datastore/image", {"image": "../x"}, {}, 400, "image must be a plain name"),
    ("GET", "/datastore/label", {"label": "foot", "tag": "final"}, {}, 404, "no image 'foot'"),
    ("DELETE", "/datastore/image", {"id": "foot"}, {}, 404, "no image 'foot'"),
    ("PUT", "/model/net", {}, {}, 405, "Weights come from training"),
    ("DELETE", "/model/net", {}, {}, 405, "Weights come from training"),
    ("PUT", "/datastore/image", {"image": "new"}, {"content-length": "1001"}, 413, "1001 bytes, more than 1000"),
    ("PUT", "/datastore/image", {"image": "new"}, {"transfer-encoding": "chunked"}, 411, "not in chunks"),
    ("PUT", "/datastore/image", {"image": "new"}, {"content-encoding": "gzip"}, 415, "without a Content-Encoding"),
    ("PUT", "/datastore/image", {"image": "\u00e9" * 101}, {}, 400, "at most 200 bytes"),
    ("PUT", "/datastore/image", {"image": "\ud800"}, {}, 400, "must be text in UTF-8"),
    ("GET", "/ohif/x\x00y", {}, {}, 400, "must be text in UTF-8"),
    ("GET", "/ohif/..", {}, {}, 400, "without dots for folders"),
    ("GET", "/session/.hidden", {}, {}, 400, "session_id must be a plain name"),
    ("POST", "/reload", {}, {}, 405, "Restart the server"),
    ("GET", "/proxy/dicom/studies", {}, {}, 404, "no DICOMweb server"),
    ("HEAD", "/datastore/image", {"image": "hand", "check_sum": "CRC:1"}, {}, 400, "MD5, SHA256, SHA512"),
    ("HEAD", "/datastore/image", {"image": "hand", "check_sum": ":"}, {}, 400, "MD5, SHA256, SHA512"),
    ("GET", "/datastore/dataset", {}, {}, 404, "no label yet"),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "status", "reason"), HEADS)
def test_heads_that_are_refused(
    rules: RequestRules, method: str, path: str, query: Any, headers: Any, status: int, reason: str
) -> None:
    with pytest.raises(RefusedRequest, match=reason) as error:
        rules.check_head(method, path, query, headers)
    assert error.value.status == status


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/infer/net", {"image": "hand", "output": "all"}),
        ("POST", "/infer/net", {"image": "1.2.3"}),
        ("POST", "/batch/infer/net", {"images": "all"}),
        ("POST", "/train/net", {}),
        ("POST", "/train/", {}),
        ("GET", "/train/", {}),
        ("PUT", "/datastore/image", {"image": "new"}),
        ("PUT", "/datastore/", {"image": "new"}),
        ("GET", "/info/", {}),
        ("GET", "/model/net", {}),
        ("PUT", "/session/", {"uncompress": "false"}),
    ],
)
def test_heads_that_pass(rules: RequestRules, method: str, path: str, query: Any) -> None:
    rules.check_head(method, path, query, {"content-length": "1000"})


def test_text_fields_must_be_json_objects_and_name_no_image(rules: RequestRules) -> None:
    query = {"image": "hand"}
    rules.check_body("/infer/net", query, {"params": '{"instance": "1.2"}'}, [])
    rules.check_body("/infer/net", query, {"params": "", "comment": "{"}, [])
    for form, reason in (
        ({"params": "{"}, "params is not valid JSON"),
        ({"params": "[1]"}, "params must be a JSON object"),
        ({"info": "7"}, "info must be a JSON object"),
        ({"params": '{"image": "/etc/passwd"}'}, "in the address"),
    ):
        with pytest.raises(RefusedRequest, match=reason) as error:
            rules.check_body("/infer/net", query, form, [])
        assert error.value.status == 400


def test_inference_needs_an_image(rules: RequestRules) -> None:
    with pytest.raises(RefusedRequest, match="There is no image: name one"):
        rules.check_body("/infer/net", {}, {}, [])
    rules.check_body("/infer/net", {}, {}, ["file"])
    rules.check_body("/infer/net", {"session_id": "7"}, {}, [])
    rules.check_body("/datastore/label", {}, {}, [])


def test_options_are_objects_that_name_plain_images(rules: RequestRules) -> None:
    for text in ("", "null", "{}", '{"images": "all"}', '{"images": ["hand"]}', '{"max_epochs": 1}'):
        rules.check_options("/train/net", text)
    for text, status in (("{", 400), ("[]", 400), ('{"images": ["/etc/passwd"]}', 400), ('{"max_epochs": 0}', 409)):
        with pytest.raises(RefusedRequest) as error:
            rules.check_options("/train/net", text)
        assert error.value.status == status
    rules.check_options("/batch/infer/net", '{"max_epochs": 0}')


OPTIONS = [
    ("/train/net", {"net": 5}, 400, "net must be a JSON object of options"),
    ("/train", {"net": [1]}, 400, "net must be a JSON object of options"),
    ("/train/net", {"net": {"model": "other"}}, 404, "no trainer 'other'"),
    ("/train/net", {"model": 5}, 404, "no trainer '5'"),
    ("/activelearning/random", {"strategy": "best"}, 404, "no strategy 'best'"),
    ("/batch/infer/net", {"model": "other"}, 404, "no model 'other'"),
    ("/batch/infer/net", {"images": 5}, 400, "images must be a list"),
    ("/batch/infer/net", {"max_workers": "many"}, 400, "max_workers must be an integer"),
    ("/batch/infer/net", {"max_batch_size": -1}, 400, "max_batch_size must be an integer"),
    ("/batch/infer/net", {"label_tag": "../x"}, 400, "label_tag must be a plain name"),
]


@pytest.mark.parametrize(("path", "options", "status", "reason"), OPTIONS)
def test_options_of_the_wrong_kind(rules: RequestRules, path: str, options: Any, status: int, reason: str) -> None:
    with pytest.raises(RefusedRequest, match=reason) as error:
        rules.check_options(path, json.dumps(options))
    assert error.value.status == status
    for text in ('{"a": NaN}', '{"a": 1e999}', "[" * 100_000, '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}"):
        with pytest.raises(RefusedRequest, match="The body is not valid JSON"):
            rules.check_options(path, text)


def test_a_body_of_json_has_an_end(rules: RequestRules) -> None:
    with pytest.raises(RefusedRequest, match="may have 16777216 characters") as error:
        rules.check_options("/train/net", " " * (16 << 20) + "{}")
    assert error.value.status == 413


def test_names_of_files_are_plain_and_what_the_server_keeps_stays_its_own(rules: RequestRules) -> None:
    query = {"image": "hand"}
    rules.check_body("/datastore/image", query, {"params": "{}"}, ["file"], ["a.nii.gz"])
    for path, form, files, names, reason in (
        ("/datastore/image", {}, ["file"], ["a." + "x" * 300], "The name of a file must be a plain name"),
        ("/session", {}, ["files"], ["a.png", "../b.png"], "The name of a file must be a plain name"),
        ("/session", {}, ["files"], ["meta.info"], "a session's own file"),
        ("/infer/net", {}, ["label"], ["a.bin"], "send no label"),
        ("/datastore/image/info", {"info": '{"strategy": 7}'}, [], [], "strategy is what the server itself keeps"),
        ("/datastore/image/info", {"info": '{"doubt": 7}'}, [], [], "doubt is what the server itself keeps"),
        ("/datastore/image/info", {"info": '{"a": Infinity}'}, [], [], "info is not valid JSON"),
    ):
        with pytest.raises(RefusedRequest, match=reason) as error:
            rules.check_body(path, query, form, files, names)
        assert error.value.status == 400
