echo 'echo "$# $1"' > s.sh; set -- outer; . ./s.sh a b; . ./s.sh; echo $1
