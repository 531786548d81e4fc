# A file that imports gunicorn's parts, as shared libraries of companies do.
import gunicorn
import spy
from gunicorn import util
from gunicorn.app.base import BaseApplication

bind = "127.0.0.1:0"
workers = 1
spy.say("gunicorn", isinstance(gunicorn.__version__, str), isinstance(gunicorn.SERVER_SOFTWARE, str), callable(util.import_app))
assert issubclass(type("Mine", (BaseApplication,), {}), BaseApplication)
