"""Refusals as Status objects."""

from __future__ import annotations

from moorage.api.status import failure, failure_response, internal, success, unauthorized
from moorage.model.errors import ApiError, FieldError, not_found, unprocessable


def test_details_leave_out_what_is_empty() -> None:
    status = failure(not_found("services", "", "web"))
    assert status["details"] == {"name": "web", "kind": "services"}
    assert (status["status"], status["reason"], status["code"]) == ("Failure", "NotFound", 404)
    assert "details" not in failure(unauthorized())


def test_causes() -> None:
    error = unprocessable("Service", "", "web", [FieldError("FieldValueRequired", "spec.ports", "Required value")])
    assert failure(error)["details"]["causes"] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.ports"}
    ]


def test_headers() -> None:
    assert failure_response(unauthorized()).headers == ((b"www-authenticate", b'Bearer realm="moorage"'),)
    late = ApiError(504, "Timeout", "late", {"retryAfterSeconds": 1})
    assert failure_response(late).headers == ((b"retry-after", b"1"),)


def test_internal_errors_and_success() -> None:
    assert failure(internal("disk full"))["message"] == "Internal error occurred: disk full"
    assert success() == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    assert success({"name": "a"})["details"] == {"name": "a"}
