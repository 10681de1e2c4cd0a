s='one two one three one'
echo "${s/one/1}" "${s//one/1}" "${s/#one/1}" "${s/%one/1}" "${s/two}"
