: ignored $(echo x) > /dev/null; echo $?; true && : || echo no; : ${v:=assigned}; echo $v
