declare -r c=1; declare -x e=2; declare -l low=ABC; declare -u up=abc; echo $c $low $up; sh -c 'echo $e'; declare -p low
