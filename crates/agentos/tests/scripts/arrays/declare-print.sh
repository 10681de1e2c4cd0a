a=(1 'two words' "it's")
declare -p a
declare -A m=([k]=v); declare -p m
x=5; declare -p x
