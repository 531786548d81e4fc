"""A Django application with static files, for site_app."""
