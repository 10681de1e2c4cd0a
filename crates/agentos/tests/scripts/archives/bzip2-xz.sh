seq 100 > f; bzip2 -k f; bunzip2 -c f.bz2 | md5sum; xz -k f; xzcat f.xz | md5sum; xz -d -c < f.xz | wc -l; tar cJf a.tar.xz f; tar tf a.tar.xz
