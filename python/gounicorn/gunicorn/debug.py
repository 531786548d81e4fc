"""gunicorn.debug."""

from gounicorn._names import absent

spew = absent("gunicorn.debug.spew", "use sys.settrace in post_fork.")
unspew = absent("gunicorn.debug.unspew", "use sys.settrace.")
