"""A module whose own code fails at import."""


def connect():
    raise RuntimeError("the database password is not set")


connect()
