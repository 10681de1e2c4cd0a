mkdir s; echo data > s/f; (cd s; tar cf - .) | (mkdir t; cd t; tar xf -); cat t/f; tar cf - s | gzip | gunzip | tar tf - | sort
