# A stream socket that is not connected.
import socket
s = socket.socket(); s.setblocking(False)
try: s.recv(1)
except OSError as e: print(e.errno)
