# cookiecutter-django starts with flags; projects that grew moved them into a file with django-environ.
import environ

env = environ.Env()
bind = env("GUNICORN_BIND", default="127.0.0.1:0")
workers = env.int("WEB_CONCURRENCY", default=1)
chdir = env("APP_DIR", default=".")
timeout = env.int("GUNICORN_TIMEOUT", default=30)
accesslog = env("GUNICORN_ACCESSLOG", default="-")
reload = env.bool("GUNICORN_RELOAD", default=False)
forwarded_allow_ips = env("FORWARDED_ALLOW_IPS", default="*")
