exec granian --interface wsgi --host 127.0.0.1 --port "$SHOP_PORT" --workers 2 --blocking-threads 2 --backlog 512 shop:application
