"""gunicorn.errors."""


class HaltServer(BaseException):
    """Ends the server with a reason and an exit status."""

    def __init__(self, reason: str, exit_status: int = 1) -> None:
        """Take both."""
        super().__init__(reason, exit_status)
        self.reason = reason
        self.exit_status = exit_status


class ConfigError(Exception):
    """A configuration that cannot be used."""


class AppImportError(Exception):
    """An application that cannot be found."""
