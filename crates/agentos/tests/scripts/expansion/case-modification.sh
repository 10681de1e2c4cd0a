s='hello World'
echo "${s^}" "${s^^}" "${s,}" "${s,,}" "${s^^[aeiou]}" "${s~~}"
