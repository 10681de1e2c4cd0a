prefix_a=1; prefix_b=2; prefix_c=3
echo "${!prefix_@}"
for n in ${!prefix_*}; do echo "$n=${!n}"; done
