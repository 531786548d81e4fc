"""The application's configuration."""

from django.apps import AppConfig


class GounicornConfig(AppConfig):
    """GounicornConfig has a label of its own, so that a project may have an application called django."""

    name = "gounicorn.django"
    label = "gounicorn"
    verbose_name = "gounicorn"
