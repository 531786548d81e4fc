# A unix socket for nginx, group writable, with the address that nginx passes on in the access log.
import os

here = os.getcwd()
bind = f"unix:{here}/site.sock"
umask = 0o117
pidfile = f"{here}/site.pid"
workers = 1
accesslog = f"{here}/access.log"
errorlog = f"{here}/error.log"
loglevel = "warning"
access_log_format = '%({x-real-ip}i)s "%(r)s" %(s)s %(b)s %({x-forwarded-proto}i)s'
proc_name = "site"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
