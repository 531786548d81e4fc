# Pyramid from an ini file: what pserve would serve.
paste = "development.ini"
bind = "127.0.0.1:0"
workers = 1
