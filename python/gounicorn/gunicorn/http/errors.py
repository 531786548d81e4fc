"""gunicorn.http.errors: the classes, for except clauses. The master answers bad requests itself, so most are never raised."""


class ParseException(Exception):  # noqa: N818 - gunicorn's names
    """A request that cannot be read."""


class NoMoreData(IOError):  # noqa: N818
    """The client left."""


class ConfigurationProblem(ParseException):
    """The application and the configuration do not fit the request."""


class InvalidRequestLine(ParseException):
    """Status 400."""


class InvalidRequestMethod(ParseException):
    """Status 400."""


class ExpectationFailed(ParseException):
    """Status 417."""


class InvalidHTTPVersion(ParseException):
    """Status 400."""


class InvalidHeader(ParseException):
    """Status 400."""


class ObsoleteFolding(ParseException):
    """Status 400."""


class InvalidHeaderName(ParseException):
    """Status 400."""


class InvalidResponseHeader(InvalidHeader):
    """The application's fault: status 500."""


class InvalidResponseHeaderName(InvalidHeaderName):
    """The application's fault: status 500."""


class UnsupportedTransferCoding(ParseException):
    """Status 501."""


class InvalidChunkSize(ParseException):
    """Status 400."""


class ChunkMissingTerminator(ParseException):
    """Status 400."""


class InvalidChunkExtension(ParseException):
    """Status 400."""


class LimitRequestLine(ParseException):
    """Status 414."""


class LimitRequestHeaders(ParseException):
    """Status 431."""


class InvalidProxyLine(ParseException):
    """Status 400."""


class InvalidProxyHeader(ParseException):
    """Status 400."""


class ForbiddenProxyRequest(ParseException):
    """Status 403."""


class InvalidSchemeHeaders(ParseException):
    """Status 400."""


class InvalidH2CPreface(ParseException):
    """Status 400."""
