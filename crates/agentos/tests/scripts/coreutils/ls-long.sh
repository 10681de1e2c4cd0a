umask 022; printf 12345 > f; mkdir d; ln -s f l; chmod 640 f; ls -l f | awk '{print $1,$2,$5}'; ls -ld d | cut -c1-10; ls -l l | sed 's/.* l ->/l ->/'; ls -s f | awk '{print $2}'
