awk 'BEGIN{for(i=1;i<=3;i++){if(i==2)continue; print i}; while(n<3)n++; print n; do{m++}while(m<2); print m; x = n>2 ? "big" : "small"; print x}'
