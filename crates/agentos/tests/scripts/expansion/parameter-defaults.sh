unset a; b=; c=set
echo "${a-x} ${b-x} ${c-x}"
echo "${a:-x} ${b:-x} ${c:-x}"
echo "${a+x} ${b+x} ${c+x}"
echo "${a:+x} ${b:+x} ${c:+x}"
