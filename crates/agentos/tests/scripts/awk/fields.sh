printf 'a 1\nb 2\n' | awk '{print $2, $1}'; echo a:b:c | awk -F: '{print $NF, NF}'; echo 'x  y' | awk '{$1="z"; print}'; echo a,b | awk -F, -v OFS=- '{$1=$1; print}'
