set -- $(echo 'a  b'; echo c); echo $#; set -- "$(echo 'a  b'; echo c)"; echo $#
