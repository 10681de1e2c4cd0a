a() { local v=a; b; }; b() { local v=b$v; c; }; c() { echo $v; }; v=top; a; echo $v
