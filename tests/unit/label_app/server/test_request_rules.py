"""What is refused before any endpoint sees it."""

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
    return RequestRules(names, {"hand", "1.2.3"}.__contains__, check_training, 1000)


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
