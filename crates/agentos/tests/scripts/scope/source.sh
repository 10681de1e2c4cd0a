printf 'x=sourced\nf() { echo from-file $1; }\nreturn 7\necho never\n' > lib.sh; . ./lib.sh; echo $? $x; f arg; source lib.sh 2>/dev/null; echo $x
