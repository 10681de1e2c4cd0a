printf 'the cat the dog the end\n' | tr ' ' '\n' | sort | uniq -c | sort -k1,1rn -k2 | awk '{print $2": "$1}'
