# tar, gzip, xz, zstd and what they keep.
# needs: tar gzip
mkdir -p s/d; echo text > s/f; ln -s f s/l; ln s/f s/h; chmod 750 s/d; touch -d @1000 s/f; dd if=/dev/zero of=s/big bs=1M count=3 status=none
for z in '' z J; do tar --sort=name -c${z}f a.tar$z s && mkdir out && tar -xf a.tar$z -C out && diff -r s out/s && stat -c %a out/s/d && stat -c %Y out/s/f && readlink out/s/l && stat -c %h out/s/h; rm -r out; done
tar -tf a.tar | sort; tar -xOf a.tar s/f; tar --exclude=big -cf - s | tar -t | wc -l; cp s/f s/g; gzip -k s/g; gzip -l s/g.gz | tail -n 1 | awk '{print $2}'; zcat s/g.gz; gunzip -t s/g.gz; echo broken | gunzip 2>/dev/null; echo $?; tar -xf none 2>/dev/null; echo $?
if command -v zstd > /dev/null; then zstd -q s/big -o b.zst; zstd -dqc b.zst | cmp - s/big && echo same; fi; if command -v xz > /dev/null; then xz -T2 -k s/big; xz -l s/big.xz > /dev/null; echo $?; fi; if command -v bzip2 > /dev/null; then bzip2 -k s/g; bzcat s/g.bz2; fi; rm -rf a.tar* b.zst s
