echo a > f; cp f g; mv g h; cat h; mkdir d; cp f h d; ls d; cp -r d e; ls e; mv e d; ls d; rm f; rm d; echo $?; rm -r d; rm none; echo $?; rm -f none; echo $?; ls
