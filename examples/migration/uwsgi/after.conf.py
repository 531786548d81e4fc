import os

bind = os.environ["SHOP_BIND"]  # http-socket
wsgi_app = "shop:application"  # module
workers = 2  # processes
threads = 2  # threads
timeout = 60  # harakiri
max_requests = 1000  # max-requests
raw_env = ["SHOP=open"]  # env
# post-buffering: request bodies are always buffered. master, die-on-term, vacuum: always so.
