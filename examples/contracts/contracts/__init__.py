"""The contracts site: a Django project that shows gounicorn at work."""
