for x in a 'b c' $(echo d e); do echo "[$x]"; done
