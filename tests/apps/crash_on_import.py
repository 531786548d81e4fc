"""A module that cannot be imported; the traceback must reach the log."""

import a_module_that_nobody_has  # noqa: F401
