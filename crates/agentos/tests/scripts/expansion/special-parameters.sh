set -- a b
echo $# "$?" 
false; echo $?
true; echo $?
f() { return 42; }; f; echo $?
echo "${#}" "${?}"
