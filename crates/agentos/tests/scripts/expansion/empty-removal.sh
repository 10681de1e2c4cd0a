e=
set -- $e; echo $#
set -- "$e"; echo $#
set -- $e"" a$e ; echo $#
