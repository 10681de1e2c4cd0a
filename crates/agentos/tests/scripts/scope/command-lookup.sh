type -t echo; type -t ls; command -v cd; command -v if; command -v nosuch; echo $?; nosuch-command-x; echo $?
