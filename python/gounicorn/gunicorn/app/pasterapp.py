"""gunicorn.app.pasterapp."""

from gounicorn._names import absent

INSTEAD = "start it with the command `gounicorn --paste production.ini`."

get_wsgi_app = absent("gunicorn.app.pasterapp.get_wsgi_app", INSTEAD)
serve = absent("gunicorn.app.pasterapp.serve", INSTEAD)
