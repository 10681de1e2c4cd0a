x=$(echo hi); echo "$x" `echo old` $(echo a; echo b)
