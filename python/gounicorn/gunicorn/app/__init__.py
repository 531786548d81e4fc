"""gunicorn.app."""
