printf 'x' | cksum; printf 'hello\n' | sum | awk '{print $1}'; printf 'hello\n' | b2sum | cut -c1-16; cksum -a sha256 <<< hi | cut -c1-20; printf '' | md5sum
