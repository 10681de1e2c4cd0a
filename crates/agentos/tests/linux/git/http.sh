# Cloning over HTTP from git's own backend, served by Python.
# needs: git python3
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q -b main origin; cd origin; for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm $i; done; git update-server-info; cd ..
cat > serve.py <<'P'
import http.server, sys
class H(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)
open('port.new', 'w').write(str(s.server_port)); import os; os.rename('port.new', 'port'); s.serve_forever()
P
python3 serve.py & server=$!
while [ ! -s port ]; do sleep 0.02; done
git clone -q "http://127.0.0.1:$(cat port)/origin/.git" copy && git -C copy log --format=%s && cat copy/f3; kill $server; wait $server 2>/dev/null
git clone -q "http://127.0.0.1:$(cat port)/origin/.git" none 2>/dev/null; echo $?; rm -rf origin copy port serve.py
