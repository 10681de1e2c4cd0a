seq 100 > f; gzip f; ls; gzip -d f.gz; md5sum f; gzip -c f > g.gz; zcat g.gz | tail -1; gzip -9 < f | gunzip | wc -l; gzip -l g.gz | tail -1 | awk '{print $2}'; echo bad > b.gz; gunzip b.gz; echo $?
