f() ( x=sub; echo $x ); x=top; f; echo $x
g() if [ "$1" ]; then echo yes; else echo no; fi; g a; g
