# A Flask application from a factory; the file names it, so that the command line is bare.
wsgi_app = "flasky:create_app('testing', debug=False)"
bind = "127.0.0.1:0"
workers = 1
preload_app = True
worker_tmp_dir = "/dev/shm"
