"""A Django application with one command: `python manage.py gounicorn` serves a project that has it in INSTALLED_APPS."""
