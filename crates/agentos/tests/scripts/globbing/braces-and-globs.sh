touch a.c b.c a.h; echo {a,b}.c *.{c,h} {a,z}*
