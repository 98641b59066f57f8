"""What all operations of API v2 have in common: who may ask, what is read, what is documented."""

from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import register_converter, reverse
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.parser import Parser

from django_visualsnoop.server.api_v2 import problems
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.metadata import parse_json
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.authentication import Caller, authenticate
from django_visualsnoop.server.http.query_params import parse_query
from django_visualsnoop.server.http.raw_path import check_utf8
from django_visualsnoop.server.http.request_body import read_body, spool_body
from django_visualsnoop.server.models import HostedCollection
from django_visualsnoop.server.tenants.throttling import throttle_request, throttle_upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninja.errors import ValidationErrorContext
    from ninja.openapi.schema import OpenAPISchema

DESCRIPTION = """\
Private image search by visual similarity. Each request uses the collection of its key. Errors are
application/problem+json (RFC 9457), and their status is the HTTP status. An image id is any
string of 1 to 100 characters. Percent-encode it in a path.
"""
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
    },
}
_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "PUBLIC_KEY.SECRET_KEY. Or sign the request (RFC 9421) with hmac-sha256 "
        "and the public key as keyid, and cover @method, @path, @query and content-digest.",
    },
}


class ImageIdConverter:
    """An image id in a path: all the rest of it, slashes and new lines included."""

    regex = r"(?s:.+)"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ImageIdConverter, "visualsnoop_image_id")


@dataclass(frozen=True)
class KeyAccess:
    """One authenticated request."""

    caller: Caller

    @property
    def collection(self) -> HostedCollection:
        return self.caller.key.collection

    @cached_property
    def images(self) -> HostedImages:
        return HostedImages(self.collection, self.caller.check_key)

    def count_bytes(self, length: int) -> None:
        """Count bytes that are uploaded against the key's limit."""
        throttle_upload(self.caller.key, length)

    def spool_file(self, request: "ApiRequest") -> IO[bytes]:
        """Return the body, which was not read yet, as a file; the caller closes it."""
        file = spool_body(request.original, get_options().max_import_bytes, self.count_bytes)
        try:
            if self.caller.signed is not None:
                self.caller.check_body(file.read())
                file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


class ApiRequest:
    """A request as operations see it: its body is what ``Needs`` read, or empty.

    Django's own ``body`` has other limits, and takes a body that was cut off for a whole one; see
    ``request_body``. All else is the original's.

    Args:
        original: Django's request.
    """

    #: What ``Needs`` returned; django-ninja sets it.
    auth: KeyAccess

    def __init__(self, original: HttpRequest) -> None:
        self.original = original
        self.body = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class Api(NinjaAPI):
    def set_default_exception_handlers(self) -> None:
        """Leave every error to the one view, which answers all of them alike."""

        def raised(_: HttpRequest, error: Any) -> Any:
            raise error

        self.add_exception_handler(Exception, raised)

    def validation_error_from_error_contexts(
        self, error_contexts: "list[ValidationErrorContext[Any]]"
    ) -> ValidationError:
        """Keep what was given, to name it."""
        given = [
            error.get("input")
            for context in error_contexts
            for error in context.pydantic_validation_error.errors(include_url=False)
        ]
        found = super().validation_error_from_error_contexts(error_contexts)
        for error, value in zip(found.errors, given, strict=True):
            error["given"] = value
        return found

    @cached_property
    def query_parameters(self) -> dict[str, frozenset[str]]:
        """The names of each operation's query parameters, by its id: those that are documented."""
        paths = self.get_openapi_schema(path_prefix="")["paths"]
        return {
            operation["operationId"]: frozenset(
                parameter["name"]
                for parameter in operation["parameters"]
                if parameter["in"] == "query"
            )
            for operations in paths.values()
            for operation in operations.values()
        }

    def document(self) -> "OpenAPISchema":
        """Return the OpenAPI document, its paths relative to where the API is served."""
        made = self.get_openapi_schema(path_prefix="")
        prefix = get_options().path_prefix + reverse("visualsnoop_server:api_v2")
        made["servers"] = [{"url": prefix}]
        made["security"] = [{name: []} for name in _SECURITY]
        made["components"]["securitySchemes"] = _SECURITY
        made["components"]["schemas"]["Problem"] = _PROBLEM
        content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operations in made["paths"].values():
            for operation in operations.values():
                for parameter in operation["parameters"]:
                    _remove_null(parameter["schema"])
                operation["responses"]["default"] = {
                    "description": "The request failed; `detail` says why.",
                    "content": content,
                }
        return made


def _remove_null(schema: dict[str, Any]) -> None:
    """Say of a parameter that may be left out what it is if it is there."""
    if "anyOf" in schema:
        schema |= next(kind for kind in schema.pop("anyOf") if kind["type"] != "null")


class JSONParser(Parser):
    """JSON as RFC 8259 has it, in UTF-8."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            return parse_json(request.body.decode(), "The body")
        except UnicodeDecodeError:
            raise Refused(400, "The body is not JSON: it is not UTF-8.") from None


api = Api(
    title="VisualSnoop API v2",
    version="2.0.0",
    description=DESCRIPTION,
    openapi_url=None,
    docs_url=None,
    urls_namespace="visualsnoop_api_v2",
    parser=JSONParser(),
)


class Needs:
    """What a request must bring before an operation looks at it.

    Args:
        operation_id: of the operation.
        scope: of the key; none in particular if empty.
        reads: whether the body is read into memory, under the limit for images.
    """

    def __init__(self, operation_id: str, scope: str, *, reads: bool) -> None:
        self.operation_id = operation_id
        self.scope = scope
        self.reads = reads

    def __call__(self, request: ApiRequest) -> KeyAccess:
        original = request.original
        caller = authenticate(original, self.scope, bearer=True)
        throttle_request(caller.key)
        check_utf8(original)
        parameters = api.query_parameters[self.operation_id]
        # The id a?b, not percent-encoded, arrives as a and a query.
        unknown = sorted(set(parse_query(original)) - parameters)
        if unknown:
            there = f"it has {', '.join(sorted(parameters))}" if parameters else "none"
            raise Refused(
                400,
                f"This call has no query parameter {unknown[0]!r:.60}; {there}. To use ? in an "
                "id, write %3F.",
            )
        access = KeyAccess(caller)
        if self.reads:
            body = read_body(original, get_options().max_bytes, access.count_bytes)
            caller.check_body(body)
            request.body = body
        return access


def operation(
    method: str,
    path: str,
    scope: str,
    response: Any,
    *,
    reads: bool = False,
    **documented: Any,
) -> "Callable[[Callable[..., Any]], Callable[..., Any]]":
    """Make a function an operation of API v2.

    Args:
        method: such as ``"GET"``.
        path: after the prefix, as Django writes it, without the slash before it.
        scope: that a key needs.
        response: the shape of the answer, or of each by its status.
        reads: whether its body is read, into ``request.body``.
        documented: further arguments of ``ninja.NinjaAPI.api_operation``.
    """

    def register(view: "Callable[..., Any]") -> "Callable[..., Any]":
        operation_id = view.__name__
        needs = Needs(operation_id, scope, reads=reads)
        documented["openapi_extra"] = {**documented.get("openapi_extra", {}), "x-scope": scope}
        documented.setdefault("summary", str(view.__doc__).partition("\n")[0].rstrip("."))
        add = api.api_operation(
            [method],
            path,
            auth=needs,
            response=response,
            operation_id=operation_id,
            **documented,
        )
        add(view)
        return view

    return register
