"""Headers, selectors and options as nobody means them: each request gets an answer in time, and never a 500."""

from __future__ import annotations

import http.client
from urllib.parse import quote, urlencode, urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.client.kubeconfig import Access
from moorage.client.tls_io import tls_context

ANSWER_SECONDS = 10.0

LINE = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
ACCEPT = st.lists(
    st.sampled_from(
        ["application/json", "application/yaml", "*/*", ";as=Table", ";g=meta.k8s.io", ";v=v1", ";q=0.1", ";q=x", ",", "a/b"]
    )
).map("".join)
SELECTOR = st.lists(
    st.sampled_from(["a", "!", "=", "==", "!=", " in ", " notin ", "(", ")", ",", "b", "metadata.name", "\x00"])
).map("".join)
OPTIONS = {
    "labelSelector": SELECTOR | LINE,
    "fieldSelector": SELECTOR | LINE,
    "limit": st.sampled_from(["0", "1", "-1", "x", "99999999999999999999"]),
    "continue": LINE,
    "resourceVersion": st.sampled_from(["0", "1", "-1", "x", "", "99999999999999999999"]),
    "resourceVersionMatch": st.sampled_from(["Exact", "NotOlderThan", "x", ""]),
    "dryRun": st.sampled_from(["All", "x", ""]),
    "fieldValidation": st.sampled_from(["Strict", "Warn", "Ignore", "x"]),
    "gracePeriodSeconds": st.sampled_from(["0", "-1", "x", "1e3"]),
    "propagationPolicy": st.sampled_from(["Foreground", "Background", "Orphan", "x"]),
    "timeoutSeconds": st.sampled_from(["0", "1", "-1", "x"]),
    "pretty": LINE,
    "force": st.sampled_from(["true", "x"]),
    "fieldManager": LINE,
}
HEADERS = {"Accept": ACCEPT | LINE, "Content-Type": ACCEPT | LINE, "User-Agent": LINE, "If-Match": LINE, "X-Remote-User": LINE}
PATHS = [
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/services/a",
    "/apis/discovery.k8s.io/v1/endpointslices",
]
BODY = st.binary(max_size=50) | st.sampled_from([b"{}", b"[]", b"null", b'{"metadata":{"name":"a"}}', b"k8s\x00\x0a"])


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    path=st.sampled_from(PATHS) | LINE.map(lambda text: "/" + quote(text)),
    query=st.fixed_dictionaries({}, optional=OPTIONS),
    headers=st.fixed_dictionaries({}, optional=HEADERS),
    body=BODY,
)
def test_every_request_is_answered(
    access: Access, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    url = urlsplit(access.server)
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=ANSWER_SECONDS, context=tls_context(access))
    login = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    try:
        connection.request(method, f"{path}?{urlencode(query)}", body, {**headers, **login})
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status < 500 or status == 504
