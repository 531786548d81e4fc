# Pyramid from an ini file, `gunicorn --paste development.ini`: what pserve would serve. The file adds what ini files lack.
import os

bind = "127.0.0.1:0"
workers = int(os.environ.get("WORKERS", "1"))
raw_env = ["PYRAMID_RELOAD_TEMPLATES=0"]
