f() { echo "[$v]"; }; v=old; v=new f; f; v=env sh -c 'echo $v'; echo $v
