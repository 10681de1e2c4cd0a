select x in alpha beta quit; do echo "chose $x ($REPLY)"; [ "$x" = quit ] && break; done <<< $'2\n9\n3'
