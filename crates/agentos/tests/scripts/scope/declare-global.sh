f() { declare -g g=global; declare l=local; }; f; echo "$g [$l]"
