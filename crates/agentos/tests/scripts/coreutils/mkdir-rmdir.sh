mkdir a; mkdir a; echo $?; mkdir -p x/y/z; find x | sort; rmdir x; echo $?; rmdir -p x/y/z; ls; mkdir -m 700 m; stat -c %a m
