set -u
a=(); for x in "${a[@]}"; do echo never; done; echo "${#a[@]}"
