"""Bad requests get a reason and a 4xx, where MONAI Label would answer 500."""

from __future__ import annotations

from fastapi import FastAPI
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelError,
    MONAILabelException,
)
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monai_degia.label_app.server.access import AccessGuard, AccessRules
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.server.request_rules import RequestRules

__all__ = ["guard_requests"]


def guard_requests(app: FastAPI, rules: RequestRules, access: AccessRules) -> None:
    """Put the rules between the server and MONAI Label's endpoints.

    Args:
        app: MONAI Label's application, which may have started already.
        rules: what a request must be.
        access: who may ask. Browsers are told of its origins in place of MONAI Label's, which let every page in.

    """

    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            await _check(request, rules)
            return await call_next(request)
        except RefusedRequest as error:
            return JSONResponse({"detail": str(error)}, error.status)
        except HTTPException as error:  # of the parser of multipart bodies
            return JSONResponse({"detail": error.detail}, error.status_code)
        except (ImageNotFoundException, LabelNotFoundException) as error:
            return JSONResponse({"detail": error.msg}, 404)
        except MONAILabelException as error:
            status = 400 if error.error == MONAILabelError.INVALID_INPUT else 500
            return JSONResponse({"detail": error.msg}, status)

    for middleware in app.user_middleware:
        if middleware.cls is CORSMiddleware:
            middleware.kwargs["allow_origins"] = sorted(access.origins)
    app.user_middleware.insert(0, Middleware(AccessGuard, rules=access))  # the outermost place
    # The innermost place, so that answers to browsers get their CORS headers; made anew at the next request.
    app.user_middleware.append(Middleware(BaseHTTPMiddleware, dispatch=guard))
    app.middleware_stack = None


async def _check(request: Request, rules: RequestRules) -> None:
    method, path, query = request.method, request.url.path, request.query_params
    await run_in_threadpool(rules.check_head, method, path, query, request.headers)
    if method not in ("POST", "PUT"):
        return
    body = await request.body()  # kept by the request, which gives it to the endpoint once more
    kind = request.headers.get("content-type", "")
    if kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")) or path.startswith("/infer"):
        form = await request.form()
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        files = [name for name, value in form.items() if isinstance(value, UploadFile)]
        sent = [value.filename or "" for _, value in form.multi_items() if isinstance(value, UploadFile)]
        await form.close()
        rules.check_body(path, query, texts, files, sent)
    else:
        text = body.decode("utf-8", errors="replace")
        await run_in_threadpool(rules.check_options, path, text)
