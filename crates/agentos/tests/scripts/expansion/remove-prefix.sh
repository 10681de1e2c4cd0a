f=/usr/local/lib/file.tar.gz
echo "${f#*/}" "${f##*/}" "${f#/usr}" "${f#nothing}"
