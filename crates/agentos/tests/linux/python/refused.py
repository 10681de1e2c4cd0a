# A port of the loopback where nobody listens.
import socket
s = socket.create_server(('127.0.0.1', 0)); port = s.getsockname()[1]; s.close()
try: socket.create_connection(('127.0.0.1', port))
except OSError as e: print(type(e).__name__)
