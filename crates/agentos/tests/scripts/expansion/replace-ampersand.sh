s=path/to/file
echo "${s//\//:}" "${s//o/[o]}" "${s/to/"&"}"
