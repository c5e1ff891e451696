"""`metav1.Status`: how the API says no, and the little it says of a success without an object."""

from __future__ import annotations

import msgspec

from moorage.api.exchange import JSON, Response
from moorage.model.errors import ApiError
from moorage.model.wire import Tree


def failure(error: ApiError) -> Tree:
    """The Status of a refusal. `details` is left out where there is nothing to tell, as upstream does."""
    status: Tree = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": error.metadata,
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
    }
    if details := {name: value for name, value in error.details.items() if value not in ("", None)}:
        status["details"] = details
    status["code"] = error.code
    return status


def failure_response(error: ApiError) -> Response:
    headers = []
    if retry := error.details.get("retryAfterSeconds"):
        headers.append((b"retry-after", b"%d" % retry))
    if error.code == 401:
        headers.append((b"www-authenticate", b'Bearer realm="moorage"'))
    return Response(error.code, JSON, (msgspec.json.encode(failure(error)),), tuple(headers))


def success(details: Tree | None = None) -> Tree:
    status: Tree = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    return status


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def no_such_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def not_acceptable(offered: tuple[str, ...]) -> ApiError:
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(offered)}")


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    words = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", f"{words}{', '.join(accepted)}")


def internal(message: str) -> ApiError:
    causes = [{"message": message}]
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": causes})
