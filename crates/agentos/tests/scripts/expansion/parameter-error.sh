( unset a; echo "${a?must be set}"; echo not reached ); echo "status $?"
( b=; echo "${b:?}" ); echo "status $?"
