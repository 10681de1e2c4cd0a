touch f1 f2; p='f*'; echo $p "$p"; a=($p); echo ${#a[@]}; x=f*; echo "$x"
