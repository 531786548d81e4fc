"""A module whose `app` is not an application."""

app = "a string"
