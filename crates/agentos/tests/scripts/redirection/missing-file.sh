cat < none; echo $?; : > none/dir; echo $?; { echo x; } > none/y; echo $?
