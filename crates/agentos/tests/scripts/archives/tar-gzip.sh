mkdir d; seq 1000 > d/n; tar czf a.tgz d; rm -r d; tar xzf a.tgz; md5sum d/n; tar tzf a.tgz; mkdir o; tar xzf a.tgz -C o; ls o/d; gzip -t a.tgz; echo $?
