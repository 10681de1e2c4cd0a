f() { :; }; g() { :; }; declare -F | sort; type -t f; type -t if; type -t cd; type -t none; echo $?
