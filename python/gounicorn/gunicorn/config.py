"""gunicorn.config."""

from gounicorn._cfg import Config, Setting, make_settings
from gounicorn._names import absent

KNOWN_SETTINGS = list(make_settings().values())

get_default_config_file = absent("gunicorn.config.get_default_config_file", "the command gounicorn finds the configuration.")

__all__ = ["KNOWN_SETTINGS", "Config", "Setting", "get_default_config_file", "make_settings"]
