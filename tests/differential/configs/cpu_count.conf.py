# The formula of gunicorn's documentation, held down for small machines.
import multiprocessing

workers = min(multiprocessing.cpu_count() * 2 + 1, 2)
bind = "127.0.0.1:0"
backlog = 512
worker_connections = 1000
daemon = False
umask = 0o007
