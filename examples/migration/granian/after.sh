exec gounicorn --bind "127.0.0.1:$SHOP_PORT" --workers 2 --threads 2 --backlog 512 shop:application
