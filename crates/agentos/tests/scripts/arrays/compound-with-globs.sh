touch f1 f2
a=(f* "g*")
echo "${#a[@]} ${a[*]}"
