"""`python manage.py gounicorn [OPTIONS]`: serve this project with gounicorn, with the options of its command line."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gounicorn._launcher import become

DJANGO = ("--settings", "--pythonpath")  # manage.py has acted on them


class Command(BaseCommand):
    """Command takes the options as they are: they are gounicorn's, not Django's."""

    help = "Serves this project with gounicorn; every option of its command line may follow."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Become gounicorn. argv is manage.py, the name of this command, and the options."""
        options = without(argv[2:], DJANGO)
        folder = os.path.abspath(sys.path[0] or os.curdir)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        become("gounicorn", [*options, application()])

    def print_help(self, prog_name: str, subcommand: str) -> NoReturn:
        """Show gounicorn's own help (`manage.py help gounicorn`)."""
        become("gounicorn", ["--help"])

    def handle(self, *args: object, **options: object) -> NoReturn:
        """Serve: call_command("gounicorn")."""
        become("gounicorn", [application()])


def application() -> str:
    """Return the app spec of the project: WSGI_APPLICATION, or Django's own application where that is not set."""
    dotted = settings.WSGI_APPLICATION
    if dotted is None:
        return "django.core.wsgi:get_wsgi_application()"
    module, _, name = str(dotted).rpartition(".")
    if not module:
        message = f"WSGI_APPLICATION = {dotted!r} is not a dotted name such as 'project.wsgi.application'."
        raise CommandError(message)
    return f"{module}:{name}"


def without(options: list[str], names: tuple[str, ...]) -> list[str]:
    """Return the options but those names, with their values."""
    kept, skip = [], False
    for option in options:
        if skip:
            skip = False
        elif option in names:
            skip = True
        elif not option.startswith(tuple(f"{name}=" for name in names)):
            kept.append(option)
    return kept
