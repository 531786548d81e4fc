# Every variable GUNICORN_X becomes the setting x, as many images do it.
import os

bind = "127.0.0.1:0"
errorlog = "-"
accesslog = "-"

for key, value in os.environ.items():
    if key.startswith("GUNICORN_") and key != "GUNICORN_CMD_ARGS":
        locals()[key.split("_", 1)[1].lower()] = value
