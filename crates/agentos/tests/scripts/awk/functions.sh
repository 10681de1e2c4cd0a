awk 'function f(n){return n<2?n:f(n-1)+f(n-2)} BEGIN{for(i=0;i<10;i++) printf "%d ", f(i); print ""}'; awk 'function g(a){a["k"]=1} BEGIN{g(x); print x["k"]}'
