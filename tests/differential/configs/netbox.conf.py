# NetBox ships contrib/gunicorn.py and asks for it to be copied to /opt/netbox; the shape is theirs.
bind = "127.0.0.1:0"

# Number of gunicorn workers to spawn. This should typically be 2n+1, where n is the number of CPU cores present.
workers = 2

# Number of threads (per worker process)
threads = 3

# Timeout (in seconds) for a request to complete
timeout = 120

# The maximum number of requests a worker can handle before being respawned
max_requests = 5000
max_requests_jitter = 500
