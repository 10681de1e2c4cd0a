echo gone > /dev/null; cat < /dev/null; ls none 2> /dev/null; echo $?
