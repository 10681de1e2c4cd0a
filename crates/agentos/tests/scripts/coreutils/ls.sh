touch b a .h; mkdir d; ls; ls -a; ls -1 d; ls -d */; ls -r; ls none; echo $?; ls -p; ls -A
