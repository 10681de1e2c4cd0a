a=(file1.txt file2.txt notes.md)
echo "${a[@]%.txt}" "${a[@]/file/F}" "${a[@]^}" "${a[@]#f}"
