f=archive.tar.gz
echo "${f%.*}" "${f%%.*}" "${f%.gz}" "${f%zip}"
